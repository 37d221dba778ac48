"""The events of one run as rows: what a page shows while it runs, in order, across restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.engine.stages.context import Progress
from app.errors import UnavailableError, WorkbenchError
from app.jobs.events import EventKind
from app.jobs.patience import patiently
from app.storage.database import Database
from app.storage.tables import StageEvent

PROGRESS_INTERVAL_S = 0.5
MAX_LOG_LINES = 500
"""Per attempt of a stage: a child that babbles must not fill the database."""
MAX_MESSAGE = 500
MAX_COUNT = 2**31 - 1


@contextmanager
def writing(database: Database) -> Iterator[Session]:
    """A write that belongs to a run. Raises WorkbenchError `run.cancelled` when the run was deleted meanwhile."""
    try:
        with database.write() as session:
            yield session
    except IntegrityError as error:
        raise WorkbenchError("run.cancelled", "The run was deleted.") from error


class Journal:
    def __init__(self, database: Database, run_id: str) -> None:
        self._database, self._run_id = database, run_id

    def plan(self, labels: Sequence[str]) -> None:
        """Announce stages; a repeated announcement (a restart) adds nothing."""

        def insert() -> None:
            with writing(self._database) as session:
                known = set(
                    session.scalars(
                        select(StageEvent.stage).where(StageEvent.run_id == self._run_id, StageEvent.kind == "planned")
                    )
                )
                session.add_all(self._event("planned", label) for label in dict.fromkeys(labels) if label not in known)

        patiently(insert)

    def start(self, label: str) -> StageJournal:
        """The next attempt of a stage: 1, 2, … A stage that a dead worker began is begun again."""

        def insert() -> int:
            with writing(self._database) as session:
                earlier = select(func.count()).where(
                    StageEvent.run_id == self._run_id, StageEvent.stage == label, StageEvent.kind == "started"
                )
                attempt = session.scalars(earlier).one() + 1
                session.add(self._event("started", label, attempt))
                return attempt

        return StageJournal(self._database, self._run_id, label, patiently(insert))

    def _event(self, kind: EventKind, label: str, attempt: int = 0) -> StageEvent:
        return StageEvent(run_id=self._run_id, stage=label, attempt=attempt, kind=kind)


class StageJournal:
    """Of one attempt of one stage."""

    def __init__(self, database: Database, run_id: str, label: str, attempt: int) -> None:
        self._database, self._run_id, self._label, self.attempt = database, run_id, label, attempt
        self._lines = 0
        self._last_progress = 0.0

    def progress(self, progress: Progress) -> None:
        """A message is a log line; a mere count is written twice a second at most, and left out while the database is busy."""
        if progress.message:
            self.log(progress.message, progress.done, progress.total)
        elif time.monotonic() - self._last_progress >= PROGRESS_INTERVAL_S:
            try:
                self._insert(self.event("progress", done=progress.done, total=progress.total))
            except UnavailableError:
                return  # the next count says more than this one
            self._last_progress = time.monotonic()

    def log(self, message: str, done: int = 0, total: int = 0) -> None:
        self._lines += 1
        if self._lines <= MAX_LOG_LINES:
            patiently(lambda: self._insert(self.event("log", message, done=done, total=total)))

    def end(self, kind: EventKind, message: str = "") -> None:
        patiently(lambda: self._insert(self.event(kind, message)))

    def event(self, kind: EventKind, message: str = "", *, done: int = 0, total: int = 0) -> StageEvent:
        return StageEvent(
            run_id=self._run_id,
            stage=self._label,
            attempt=self.attempt,
            kind=kind,
            done=min(max(done, 0), MAX_COUNT),
            total=min(max(total, 0), MAX_COUNT),
            message=message[:MAX_MESSAGE].replace("\x00", ""),
        )

    def _insert(self, event: StageEvent) -> None:
        with writing(self._database) as session:
            session.add(event)
