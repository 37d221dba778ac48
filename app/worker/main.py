"""The worker process: takes jobs from the queues, runs their stages in children, watches the other workers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from importlib.metadata import version
from types import FrameType

import structlog
from dbos import DBOS, DBOSConfig

from app.engine.runtimes.base import Capabilities
from app.engine.runtimes.device import read_device
from app.errors import UnavailableError
from app.jobs import supervision
from app.jobs.child import STAGES
from app.jobs.durable import WorkerContext
from app.jobs.lane import MeasuringLane
from app.jobs.queue import APPLICATION, HEAVY, LIGHT, SERIALIZER, WORKFLOW_VERSION, JobQueue
from app.jobs.workflows import register_workflows
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.garbage import forget_unnamed
from app.storage.ids import new_id
from app.storage.migration import migrate
from app.worker.logs import configure_logs

LIGHT_JOBS, HEAVY_JOBS = 2, 1
"""At a time. Two inspections keep uploads moving; one heavy job has the cores for itself."""
POLL_S = 0.5
DRAIN_S = 5
LOST_RUNS_INTERVAL_S, SWEEP_INTERVAL_S = 30.0, 3600.0
EXIT_DECLARED_DEAD = 4

log = structlog.get_logger()


def run_worker(settings: Settings, name: str | None = None, *, package: str = STAGES) -> None:
    """Work until SIGTERM or SIGINT; then stop the stages, leave their jobs to others, and end the process.

    Args:
        name: What people call this worker; the host's name by default.
        package: Where the stages lie; only tests name another one.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    configure_logs(settings.log_level)
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    context = WorkerContext(
        settings, database, BlobStore(settings.blobs), new_id(), MeasuringLane(), threading.Event(), package
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        context.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    name = name or socket.gethostname()
    supervision.register_worker(database, context.worker_id, name, device())
    structlog.contextvars.bind_contextvars(worker=context.worker_id)
    log.info("worker is up", name=name, data=str(settings.data))
    _launch(context)
    _supervise(context)
    _drain(context)


def device() -> Capabilities:
    """Read without importing the runtime: this process never opens a model."""
    hardware = read_device()
    return Capabilities(
        runtime="onnxruntime",
        version=version("onnxruntime"),
        cpu=hardware.cpu,
        cores=hardware.cores,
        instruction_sets=hardware.instruction_sets,
        memory_bytes=hardware.memory_bytes,
        system=hardware.system,
    )


def _launch(context: WorkerContext) -> None:
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_engine": context.database.job_engine(),
        "executor_id": context.worker_id,  # a new one per start: a draining process of the same name could take jobs back
        "application_version": WORKFLOW_VERSION,
        "serializer": SERIALIZER,
        "log_level": "WARNING",
        "run_migrations": False,
    }
    DBOS(config=config)
    register_workflows(context)
    DBOS.listen_queues([LIGHT, HEAVY])
    DBOS.launch()
    DBOS.register_queue(LIGHT, worker_concurrency=LIGHT_JOBS, polling_interval_sec=POLL_S)
    DBOS.register_queue(HEAVY, worker_concurrency=HEAVY_JOBS, polling_interval_sec=POLL_S)


def _supervise(context: WorkerContext) -> None:
    """Beat from a thread of its own, look after the others here, until told to stop."""
    watch = supervision.Watch(context.database, context.worker_id)
    threading.Thread(target=_beat_until_stopped, args=(context, watch), name="heartbeat", daemon=True).start()
    queue = JobQueue(context.database)
    next_lost_runs = next_sweep = time.monotonic()
    while not context.stopping.is_set():
        try:
            supervision.bury(context.database, watch.find_dead())
            supervision.adopt_orphans(context.database)
            if time.monotonic() >= next_lost_runs:
                next_lost_runs = time.monotonic() + LOST_RUNS_INTERVAL_S
                supervision.fail_lost_runs(context.database, queue)
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + SWEEP_INTERVAL_S
                supervision.sweep_work(context.settings, context.database)
                forget_unnamed(context.database)
                context.blobs.sweep(context.database)
        except UnavailableError as error:
            log.warning("cannot look after the others now", code=error.code)
        context.stopping.wait(supervision.BEAT_INTERVAL_S)
    queue.close()


def _beat_until_stopped(context: WorkerContext, watch: supervision.Watch) -> None:
    while not context.stopping.is_set():
        try:
            if not supervision.beat(context.database, context.worker_id):
                log.error("another worker declared this one dead: ending")
                _exit(EXIT_DECLARED_DEAD)
            watch.beats += 1
        except UnavailableError as error:
            log.warning("no heartbeat", code=error.code)
        context.stopping.wait(supervision.BEAT_INTERVAL_S)


def _drain(context: WorkerContext) -> None:
    """The children are being killed; their workflows end without a result and stay to be taken over."""
    log.info("worker is stopping")
    try:
        supervision.set_state(context.database, context.worker_id, "draining")
        DBOS.destroy(workflow_completion_timeout_sec=DRAIN_S)
        supervision.set_state(context.database, context.worker_id, "gone")
        supervision.sweep_work(context.settings, context.database)
    except UnavailableError as error:
        log.warning("could not sign off", code=error.code)  # others see the silence instead
    _exit(0)


def _exit(code: int) -> None:
    """End now. Threads that DBOS keeps waiting for other workers' results would hold the process for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
