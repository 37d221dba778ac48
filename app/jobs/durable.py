"""Stages on a worker: each is one durable step of the run's workflow, its files are blobs, its progress is rows.

A step that has committed is never run again: after a crash the workflow replays, takes the recorded outcomes and goes on with
the first stage that has none. A step that was killed is run again in a new folder; its events carry the attempt.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import UnavailableError, WorkbenchError
from app.jobs.child import STAGES, ChildResult, run_child
from app.jobs.executor import Artifact, StageExecutor, StageOutcome
from app.jobs.journal import Journal, StageJournal, writing
from app.jobs.lane import MeasuringLane
from app.jobs.local import stage_limits
from app.jobs.patience import patiently
from app.jobs.stagefiles import Files, build_spec, find_files, memo_key
from app.settings import Settings
from app.storage.blobs import BlobFacts, BlobStore
from app.storage.database import Database, insert_new
from app.storage.tables import Run, StageMemo, utc_now

LOOK_INTERVAL_S = 0.5
"""How often a running stage looks whether its run is still wanted and still ours."""

ATTEMPTS_IF_KILLED = 3
"""A child ended by SIGKILL was in somebody's way (memory, an administrator): that may pass. A crash does not."""


class WorkerStopping(BaseException):
    """This worker is going down: leave the job as it is, another worker goes on."""


@dataclass(frozen=True)
class WorkerContext:
    """What a worker process has; one for all its runs."""

    settings: Settings
    database: Database
    blobs: BlobStore
    worker_id: str
    lane: MeasuringLane
    stopping: threading.Event
    package: str = STAGES

    @property
    def work(self) -> Path:
        """Folder of this worker's stages. Named by the worker, so that what a dead one left is known for sure."""
        return self.settings.work / self.worker_id


class DurableExecutor(StageExecutor):
    """Of one execution of one run. Only to be used inside its workflow."""

    def __init__(self, context: WorkerContext, run_id: str) -> None:
        self._context, self._run_id = context, run_id
        self._journal = Journal(context.database, run_id)
        self._number = 0
        self._looked_at = 0.0
        self._unwanted = False

    def plan(self, labels: Sequence[str]) -> None:
        self._journal.plan(labels)

    def run(
        self,
        stage: str,
        *,
        files: Mapping[str, Artifact | Sequence[Artifact] | None],
        params: Mapping[str, Any],
        label: str = "",
        exclusive: bool = False,
        memo: bool = True,
        wall_seconds: float = 0,
    ) -> StageOutcome:
        label = label or stage
        self._number += 1
        task = _Task(self._number, stage, label, files, params, exclusive, memo, wall_seconds)
        recorded = DBOS.run_step({"name": f"{self._number} {stage}: {label}"}, self._record, task)
        if "error" in recorded:
            raise WorkbenchError.from_dict(recorded["error"])
        return self._load(recorded)

    def _record(self, task: _Task) -> dict[str, Any]:
        """The durable step. A refusal is a result too: recorded, never tried again."""
        for remaining in reversed(range(ATTEMPTS_IF_KILLED)):
            journal = self._journal.start(task.label)
            try:
                return self._look_up(task, journal) or self._compute(task, journal)
            except WorkbenchError as error:
                if self._is_stopping(error):
                    raise WorkerStopping from error
                if error.code == "run.cancelled":  # nobody waits for it, or another worker writes the run's events now
                    return {"error": error.as_dict()}
                journal.end("failed", error.message)
                if error.code != "stage.killed" or not remaining:
                    return {"error": error.as_dict()}
        raise AssertionError("the last attempt returns")

    def _is_stopping(self, error: WorkbenchError) -> bool:
        """Whoever ends a service often ends all its processes at once: then the child is gone before we are told."""
        if error.code == "stage.killed":
            self._context.stopping.wait(1.0)
        return self._context.stopping.is_set()

    def _look_up(self, task: _Task, journal: StageJournal) -> dict[str, Any] | None:
        if not task.memo:
            return None

        def find() -> StageMemo | None:
            """Under the write lock, and marked as used: what it names is not collected for a week."""
            with self._context.database.write() as session:
                known = session.get(StageMemo, task.key)
                if known is None or not all(self._context.blobs.exists(sha256) for sha256 in known.files.values()):
                    return None
                known.used_at = utc_now()
                return known

        known = patiently(find)
        if known is None:
            return None
        journal.end("finished", "Known from an earlier run")
        return {**known.result, "files": known.files}

    def _compute(self, task: _Task, journal: StageJournal) -> dict[str, Any]:
        folder = self._context.work / self._run_id / f"{task.number}-{task.stage}-{journal.attempt}"
        folder.mkdir(parents=True)
        try:
            with self._context.lane.hold(
                exclusive=task.exclusive,
                give_up=self._give_up,
                on_wait=lambda: journal.log("Waiting until nothing else runs on this worker"),
            ):
                child = self._run_child(task, folder, journal)
            return self._publish(task, child, folder, journal)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run_child(self, task: _Task, folder: Path, journal: StageJournal) -> ChildResult:
        return run_child(
            task.stage,
            build_spec(task.files, task.params),
            folder,
            limits=stage_limits(self._context.settings, task.wall_seconds),
            on_progress=journal.progress,
            should_stop=self._should_stop,
            package=self._context.package,
        )

    def _publish(self, task: _Task, child: ChildResult, folder: Path, journal: StageJournal) -> dict[str, Any]:
        """Files become blobs; then their rows, the memo and the last event are one transaction."""
        blobs = self._context.blobs
        facts = {name: blobs.add_file(path, move=True) for name, path in find_files(child.result, folder).items()}
        files = {name: fact.sha256 for name, fact in facts.items()}
        outcome = {"result": child.result, "seconds": child.seconds, "peak_memory_mb": child.peak_memory_mb}

        def commit() -> None:
            with writing(self._context.database) as session:
                if not self._is_wanted(session):
                    raise WorkbenchError("run.cancelled", "The run was cancelled.")
                for fact in _distinct(facts.values()):
                    blobs.record(session, fact)
                if task.memo:
                    now = utc_now()
                    memo = {"key": task.key, "stage": task.stage, "result": outcome, "files": files}
                    insert_new(session, StageMemo, **memo, created_at=now, used_at=now)
                session.add(journal.event("finished"))

        patiently(commit)
        return {**outcome, "files": files}

    def _load(self, recorded: Mapping[str, Any]) -> StageOutcome:
        files = {name: self._artifact(name, sha256) for name, sha256 in recorded["files"].items()}
        return StageOutcome(recorded["result"], files, recorded["seconds"], recorded["peak_memory_mb"])

    def _artifact(self, name: str, sha256: str) -> Artifact:
        if not self._context.blobs.exists(sha256):
            raise WorkbenchError("blob.missing", "A file of an earlier stage is gone.", where=name, hint="Start the run again.")
        return Artifact(self._context.blobs.path(sha256), sha256)

    def _give_up(self) -> None:
        if self._should_stop():
            raise WorkbenchError("run.cancelled", "The run was cancelled.")

    def _should_stop(self) -> bool:
        """Is the worker stopping, or the run cancelled, deleted, or taken over by another worker?"""
        if self._context.stopping.is_set():
            return True
        if not self._unwanted and time.monotonic() - self._looked_at >= LOOK_INTERVAL_S:
            self._looked_at = time.monotonic()
            try:
                with self._context.database.read() as session:
                    self._unwanted = not self._is_wanted(session)
            except UnavailableError:
                return False  # asked again in half a second
        return self._unwanted

    def _is_wanted(self, session: Session) -> bool:
        mine = select(Run.id).where(Run.id == self._run_id, Run.state == "running", Run.worker_id == self._context.worker_id)
        return session.scalars(mine).one_or_none() is not None


@dataclass(frozen=True)
class _Task:
    number: int
    stage: str
    label: str
    files: Files
    params: Mapping[str, Any]
    exclusive: bool
    memo: bool
    wall_seconds: float

    @property
    def key(self) -> str:
        return memo_key(self.stage, self.files, self.params)


def _distinct(facts: Any) -> list[BlobFacts]:
    return list({fact.sha256: fact for fact in facts}.values())
