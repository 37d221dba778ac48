"""A data folder, runs of gated stages, and workers as real processes that a test may kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.jobs.queue import JobQueue
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database, ensure_local_user
from app.storage.ids import new_id
from app.storage.migration import migrate
from app.storage.tables import Comparison, Dataset, Model, Project, Run, StageEvent, Worker
from app.worker.launcher import as_environment
from tests.support.processes import wait_for
from tests.support.shared import ROOT


class Bench:
    """What a test has in hand."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data=folder / "data", **settings)
        migrate(self.settings)
        self.database = Database(self.settings.sqlalchemy_url)
        self.queue = JobQueue(self.database)
        self.gates = folder / "gates"
        self.gates.mkdir()
        self._log = (folder / "workers.log").open("ab")
        self._workers: list[subprocess.Popen[bytes]] = []
        (folder / "x").write_text("x")
        store = BlobStore(self.settings.blobs)
        facts = store.add_file(folder / "x")
        with self.database.write() as session:
            owner = ensure_local_user(session)
            store.record(session, facts)
            upload = {"upload_sha256": facts.sha256, "size_bytes": facts.size_bytes}
            session.add_all(table(id="x", owner_id=owner, name="x", **upload) for table in (Model, Dataset))
            session.flush()
            session.add(
                Project(id="x", owner_id=owner, name="x", model_id="x", dataset_id="x", preprocessing={}, task={}, runtime="x")
            )
            self.owner = owner

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("tests.support.gated_worker")

    def start_server(self, worker: str = "tests.support.gated_worker") -> subprocess.Popen[bytes]:
        """What stands for the web server: a process that keeps a worker running beside itself."""
        return self.start("tests.support.launching_parent", worker)

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **as_environment(self.settings)}
        command = [sys.executable, "-m", module, *arguments]
        worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=self._log, stderr=self._log)
        self._workers.append(worker)
        return worker

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGSTOP at a moment when it holds no lock: SQLite has no defence against a frozen writer."""
        while True:
            worker.send_signal(signal.SIGSTOP)
            probe = sqlite3.connect(self.settings.data / "workbench.sqlite3", timeout=0.5)
            try:
                with probe:
                    probe.execute("UPDATE worker SET name = name")
            except sqlite3.OperationalError:
                worker.send_signal(signal.SIGCONT)
            else:
                return
            finally:
                probe.close()

    def start_run(self, seconds: float = 0.0) -> str:
        """A run of three stages that wait for their gates and then take `seconds` each."""
        params = {"gates": str(self.gates), "seconds": seconds}
        run = Run(id=new_id(), owner_id=self.owner, kind="compare", project_id="x", params=params)
        with self.database.write() as session:
            self.queue.enqueue(session, run)
        return run.id

    def open_gate(self, *numbers: int) -> None:
        for number in numbers:
            (self.gates / f"open-{number}").touch()

    def starts(self) -> list[tuple[int, int]]:
        """(stage, pid of the child) in the order they began."""
        path = self.gates / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(number), int(pid)) for number, pid in (line.split() for line in lines)]

    def wait_for_stage(self, number: int, times: int = 1) -> int:
        """Until the stage began for the n-th time; the pid of its child."""
        wait_for(lambda: Counter(n for n, _ in self.starts())[number] >= times, f"stage {number} begins")
        return [pid for n, pid in self.starts() if n == number][times - 1]

    def run_row(self, run_id: str) -> Run:
        with self.database.read() as session:
            return session.get_one(Run, run_id)

    def wait_for_state(self, run_id: str, state: str) -> Run:
        wait_for(lambda: self.run_row(run_id).state == state, f"the run is {state}")
        return self.run_row(run_id)

    def events(self, run_id: str) -> list[tuple[str, str, int]]:
        with self.database.read() as session:
            rows = session.scalars(select(StageEvent).where(StageEvent.run_id == run_id).order_by(StageEvent.id))
            return [(row.kind, row.stage, row.attempt) for row in rows if row.kind in ("started", "finished", "failed")]

    def count(self, table: type) -> int:
        with self.database.read() as session:
            return session.scalars(select(func.count()).select_from(table)).one()

    def worker_states(self) -> dict[int, str]:
        with self.database.read() as session:
            return {worker.pid: worker.state for worker in session.scalars(select(Worker))}

    def assert_succeeded_once(self, run_id: str) -> None:
        run = self.wait_for_state(run_id, "succeeded")
        assert run.result == {"total": 6}
        with self.database.read() as session:
            assert len(session.scalars(select(Comparison).where(Comparison.run_id == run_id)).all()) == 1
        finished = [stage for kind, stage, _ in self.events(run_id) if kind == "finished"]
        assert finished == ["Stage 1", "Stage 2", "Stage 3"]

    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def close(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()
        self.queue.close()
        self.database.close()
        self._log.close()
