"""Who is alive, and who goes on with the jobs of those who are not.

DBOS re-queues a job only when the process that had it starts again under the same name. Here every worker beats every 2 s in
its row and watches the others. Silence is judged by the watcher's own monotonic clock and only while its own beats get
through, so neither a jump of the wall clock nor a locked database makes a living worker look dead.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog
from dbos import DBOS
from sqlalchemy import select, update

from app.engine.records import to_json
from app.engine.runtimes.base import Capabilities
from app.errors import WorkbenchError
from app.jobs.lifecycle import refuse_subject, requeue_runs
from app.jobs.queue import OPEN_STATES, JobQueue
from app.settings import Settings
from app.storage.database import Database
from app.storage.tables import Run, Worker, utc_now

BEAT_INTERVAL_S = 2.0
SILENCE_S = 6.0
SILENCE_BEATS = 2
"""Own beats that must have got through during that silence."""
LIVING = ("up", "draining")
ENDED_JOBS = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

log = structlog.get_logger()


def beat(database: Database, worker_id: str) -> bool:
    """Say that this worker lives; False when another one has declared it dead: it must stop, its jobs are not its own."""
    with database.write() as session:
        mine = update(Worker).where(Worker.id == worker_id, Worker.state != "gone")
        alive = session.connection().execute(mine.values(beat=Worker.beat + 1, beat_at=utc_now()))
        return alive.rowcount > 0


def set_state(database: Database, worker_id: str, state: str) -> None:
    """`draining` or `gone`; the runs of a worker that is gone wait again."""
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, beat_at=utc_now()))
        if state == "gone":
            requeue_runs(session, worker_id)


@dataclass
class Watch:
    """One worker's view of the others."""

    database: Database
    worker_id: str
    beats: int = 0
    """Own beats that got through."""
    _last_change: dict[str, tuple[int, float, int]] = field(default_factory=dict)
    """Worker -> its counter, when that was first seen (monotonic), own beats then."""

    def find_dead(self) -> list[str]:
        """Workers that call themselves living but are not."""
        with self.database.read() as session:
            others = session.scalars(select(Worker).where(Worker.state.in_(LIVING), Worker.id != self.worker_id)).all()
        self._last_change = {worker.id: self._last_change.get(worker.id, (-1, 0.0, 0)) for worker in others}
        return [worker.id for worker in others if self._is_silent(worker) or _process_is_gone(worker)]

    def _is_silent(self, worker: Worker) -> bool:
        counter, since, own = self._last_change[worker.id]
        now = time.monotonic()
        if counter != worker.beat:
            self._last_change[worker.id] = (worker.beat, now, self.beats)
            return False
        return now - since > SILENCE_S and self.beats - own >= SILENCE_BEATS


def bury(database: Database, worker_ids: Iterable[str]) -> None:
    for worker_id in worker_ids:
        log.warning("worker is gone, its jobs go on elsewhere", worker=worker_id)
        set_state(database, worker_id, "gone")


def adopt_orphans(database: Database) -> int:
    """Put jobs back into the queue whose worker is not alive; how many. Several workers may do this at once."""
    pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    owners = {job.executor_id for job in pending if job.executor_id}
    with database.read() as session:
        living = set(session.scalars(select(Worker.id).where(Worker.state.in_(LIVING))))
    dead = sorted(owners - living)
    return recover_pending(dead) if dead else 0


def recover_pending(executor_ids: list[str]) -> int:
    """Re-queue what these executors had in hand.

    The only call into DBOS that is not public (dbos is pinned to 3.4; tests/fault holds it to what it must do): one conditional
    UPDATE per job, so it is safe when two workers do it, and it keeps queue, priority and the count of attempts.
    """
    return len(DBOS._recover_pending_workflows(executor_ids))


def fail_lost_runs(database: Database, queue: JobQueue) -> list[str]:
    """Runs that look open though their job has ended: only possible after `MAX_ATTEMPTS` dead workers, or by hand."""
    with database.read() as session:
        open_runs = list(session.scalars(select(Run.id).where(Run.state.in_(OPEN_STATES))))
    states = queue.states(open_runs)
    lost = [run_id for run_id in open_runs if states.get(run_id, "ERROR") in ENDED_JOBS]
    return [run_id for run_id in lost if _fail(database, run_id)]


def _fail(database: Database, run_id: str) -> bool:
    error = WorkbenchError(
        "run.lost", "The job ended without a result: its workers died again and again.", hint="Start it again."
    )
    with database.write() as session:
        still_open = update(Run).where(Run.id == run_id, Run.state.in_(OPEN_STATES))
        values = {"state": "failed", "error": error.as_dict(), "finished_at": utc_now()}
        failed = session.connection().execute(still_open.values(values)).rowcount > 0
        if failed:
            refuse_subject(session, session.get_one(Run, run_id), error)
    return failed


def sweep_work(settings: Settings, database: Database) -> None:
    """Remove the work folders of workers that are gone."""
    with database.read() as session:
        living = set(session.scalars(select(Worker.id).where(Worker.state.in_(LIVING))))
    for folder in settings.work.iterdir():
        if folder.name not in living:
            shutil.rmtree(folder, ignore_errors=True)


def _process_is_gone(worker: Worker) -> bool:
    """On this machine, a look at the process table tells at once; a number used again is left to the silence."""
    if worker.host != machine():
        return False
    try:
        return psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def machine() -> str:
    """Where a process number means something: this host, since its last boot, in this container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return f"{socket.gethostname()} {boot[:8]} {Path('/proc/self/ns/pid').readlink()}"


def register_worker(database: Database, worker_id: str, name: str, device: Capabilities) -> None:
    with database.write() as session:
        session.add(Worker(id=worker_id, name=name, host=machine(), pid=os.getpid(), device=to_json(device)))
