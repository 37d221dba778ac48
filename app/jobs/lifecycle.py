"""A run's states: queued -> running -> succeeded | failed | cancelled. Who may change them, and when.

The run's row fences: only the worker named in it ends a running run, in the same transaction as the results. A worker that was
thought dead, and whose job another one took over, commits nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from app.errors import WorkbenchError
from app.jobs.patience import patiently
from app.jobs.queue import OPEN_STATES
from app.storage.database import Database
from app.storage.tables import Dataset, Model, Run, utc_now


class RunOverError(Exception):
    """The run was cancelled, deleted or taken over: nothing of this execution counts any more."""


def begin_run(database: Database, run_id: str, worker_id: str) -> Run | None:
    """Take the run for this worker, also away from an earlier execution; None when it is over or deleted."""

    def take() -> Run | None:
        with database.write() as session:
            values = {"state": "running", "worker_id": worker_id, "started_at": func.coalesce(Run.started_at, utc_now())}
            taken = session.connection().execute(update(Run).where(Run.id == run_id, Run.state.in_(OPEN_STATES)).values(values))
            return session.get_one(Run, run_id) if taken.rowcount else None

    return patiently(take)


def finish_run(database: Database, run_id: str, worker_id: str, commit: Callable[[Session], dict[str, Any]]) -> None:
    """Write the results (`commit`, which returns the run's result) and mark the run succeeded: all or nothing.

    Raises:
        RunOverError: the run is not this worker's any more; nothing was written.
    """

    def write() -> None:
        with database.write() as session:
            _end(session, run_id, worker_id, {"state": "succeeded"})
            session.get_one(Run, run_id).result = commit(session)

    patiently(write)


def fail_run(database: Database, run_id: str, worker_id: str, error: WorkbenchError) -> None:
    """Mark the run failed with its reason; a model or dataset that was being inspected is refused with it.

    Raises:
        RunOverError: the run is not this worker's any more.
    """

    def write() -> None:
        with database.write() as session:
            _end(session, run_id, worker_id, {"state": "failed", "error": error.as_dict()})
            refuse_subject(session, session.get_one(Run, run_id), error)

    patiently(write)


def refuse_subject(session: Session, run: Run, error: WorkbenchError) -> None:
    tables: dict[str, type[Model | Dataset]] = {"inspect-model": Model, "inspect-dataset": Dataset}
    if table := tables.get(run.kind):
        still = update(table).where(table.id == run.subject_id, table.state == "inspecting")
        session.execute(still.values(state="refused", error=error.as_dict()))


def requeue_runs(session: Session, worker_id: str) -> None:
    """What a worker that is gone had in hand waits again; a run that another one took meanwhile is not touched."""
    session.execute(update(Run).where(Run.worker_id == worker_id, Run.state == "running").values(state="queued"))


def _end(session: Session, run_id: str, worker_id: str, values: dict[str, Any]) -> None:
    mine = update(Run).where(Run.id == run_id, Run.state == "running", Run.worker_id == worker_id)
    if not session.connection().execute(mine.values(**values, finished_at=utc_now())).rowcount:
        raise RunOverError(run_id)
