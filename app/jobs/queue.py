"""The queue as its users see it: enqueue a run, cancel it, see what waits. DBOS keeps the jobs in the same database.

A run and its job have the same id and are committed in one transaction: neither exists without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from app.storage.database import Database
from app.storage.tables import Run, utc_now

APPLICATION = "int8-workbench"
WORKFLOW_VERSION = "2"
"""Constant, so that an upgrade goes on with old jobs. Raise it only when the order of a workflow's stages changes: workers of
one version never touch jobs that another version began."""
SERIALIZER = DBOSPortableJSONSerializer()
"""Only JSON passes through the job tables: no pickle is ever read from the database."""

LIGHT, HEAVY = "light", "heavy"
"""Looking into uploads must not wait behind an hour of optimization, so it has its own queue."""
QUEUE_OF_KIND = {
    "inspect-model": LIGHT,
    "inspect-dataset": LIGHT,
    "preflight": LIGHT,
    "baseline": HEAVY,
    "optimize": HEAVY,
    "compare": HEAVY,
}
OPEN_STATES = ("queued", "running")


class JobQueue:
    """Safe to share between threads. Connects when first used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @cached_property
    def _engine(self) -> Engine:
        return self._database.job_engine()

    @cached_property
    def _client(self) -> DBOSClient:
        return DBOSClient(
            system_database_engine=self._engine,
            application_name=APPLICATION,
            serializer=SERIALIZER,
            lazy=True,
        )

    def enqueue(self, session: Session, run: Run) -> None:
        """Add the run's row and its job to the caller's transaction.

        Priority is the number of the user's open runs, smallest first: users take turns however many jobs one of them has.
        """
        if run.id is None:
            raise ValueError("A run needs its id before it is queued: Run(id=new_id(), …).")
        mine = select(func.count()).select_from(Run).where(Run.owner_id == run.owner_id, Run.state.in_(OPEN_STATES))
        session.add(run)
        session.flush()
        self._client.enqueue_in_transaction(
            session,
            {
                "workflow_name": run.kind,
                "queue_name": QUEUE_OF_KIND[run.kind],
                "workflow_id": run.id,
                "priority": session.scalars(mine).one(),
            },
            run.id,
        )

    def cancel(self, run_id: str) -> bool:
        """Cancel a queued or running run; False when it was over already. Its child is killed within a second."""
        with self._database.write() as session:
            run = session.get(Run, run_id)
            was_queued = run is not None and run.state == "queued"
            cancelled = self.cancel_in(session, run_id)
        if cancelled and was_queued:
            self._client.cancel_workflow(run_id)
        return cancelled

    def cancel_in(self, session: Session, run_id: str) -> bool:
        """The same inside the caller's transaction, for instance the one that deletes a project.

        The run's row decides: a worker that holds the job stops when it sees it, one that takes the job later ends it at once.
        `cancel` only takes a waiting job out of the queue in addition.
        """
        still_open = update(Run).where(Run.id == run_id, Run.state.in_(OPEN_STATES))
        return session.connection().execute(still_open.values(state="cancelled", finished_at=utc_now())).rowcount > 0

    def waiting(self) -> tuple[str, ...]:
        """Ids of the waiting runs in the order in which they will be taken, the heavy queue last."""
        jobs = self._client.list_queued_workflows(
            status="ENQUEUED", queue_name=[LIGHT, HEAVY], application_name=APPLICATION, load_input=False
        )
        jobs.sort(key=lambda job: (job.queue_name == HEAVY, job.priority or 0, job.created_at or 0))
        return tuple(job.workflow_id for job in jobs)

    def states(self, run_ids: Sequence[str]) -> dict[str, str]:
        """What DBOS says of these jobs: ENQUEUED, PENDING, SUCCESS, ERROR, CANCELLED, MAX_RECOVERY_ATTEMPTS_EXCEEDED."""
        if not run_ids:
            return {}
        jobs = self._client.list_workflows(workflow_ids=list(run_ids), load_input=False, load_output=False)
        return {job.workflow_id: job.status for job in jobs}

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.destroy()
            self._engine.dispose()
