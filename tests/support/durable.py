"""A worker's inside without its process: DBOS launched in the test, one workflow that runs what the test gives it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS

from app.engine.runtimes.base import Capabilities
from app.jobs.durable import DurableExecutor, WorkerContext
from app.jobs.lane import MeasuringLane
from app.jobs.queue import APPLICATION, HEAVY, SERIALIZER, WORKFLOW_VERSION, JobQueue
from app.jobs.supervision import register_worker
from app.jobs.workflows import PIPELINES, Commit, Pipeline, workflow
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.ids import new_id
from app.storage.tables import Run, User
from tests.support.databases import migrated
from tests.support.processes import wait_for

KIND = "compare"


class DurableBench:
    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self._queue = JobQueue(context.database)
        self._pipeline: Pipeline = PIPELINES[KIND]

    def pipeline(self, context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
        return self._pipeline(context, executor, run)

    def run(self, body: Callable[[DurableExecutor], Any]) -> Run:
        """Queue a run whose stages are `body`; the finished row. What `body` returns (JSON) is the run's result."""

        def pipeline(_context: WorkerContext, executor: DurableExecutor, _run: Run) -> Commit:
            value = body(executor)
            return lambda _session: {"value": value}

        self._pipeline = pipeline
        run = Run(id=new_id(), owner_id="alice", kind=KIND)
        with self.context.database.write() as session:
            self._queue.enqueue(session, run)
        wait_for(lambda: self.get(run.id).finished_at is not None, "the run is over")
        return self.get(run.id)

    def get(self, run_id: str) -> Run:
        with self.context.database.read() as session:
            return session.get_one(Run, run_id)

    def close(self) -> None:
        self._queue.close()


@contextmanager
def durable_bench(folder: Path) -> Iterator[DurableBench]:
    settings = migrated(folder / "data")
    database = Database(settings.sqlalchemy_url)
    with database.write() as session:
        session.add(User(id="alice", name="alice"))
    context = WorkerContext(
        settings, database, BlobStore(settings.blobs), new_id(), MeasuringLane(), threading.Event(), "tests.support.stages"
    )
    register_worker(database, context.worker_id, "test", Capabilities("onnxruntime", "1", "cpu", 1, (), 1, "test"))
    engine = database.job_engine()
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_engine": engine,
            "executor_id": context.worker_id,
            "application_version": WORKFLOW_VERSION,
            "serializer": SERIALIZER,
            "log_level": "WARNING",
            "run_migrations": False,
        }
    )
    bench = DurableBench(context)
    DBOS.workflow(name=KIND)(workflow(context, bench.pipeline))
    DBOS.listen_queues([HEAVY])
    DBOS.launch()
    DBOS.register_queue(HEAVY, worker_concurrency=1, polling_interval_sec=0.05)
    try:
        yield bench
    finally:
        DBOS.destroy(destroy_registry=True)
        engine.dispose()
        bench.close()
        database.close()
