"""The real server with its real worker, as its own process: started, killed, started again on the same port and data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from app.settings import Settings
from tests.support.processes import wait_for
from tests.support.shared import ROOT


class LiveServer:
    """`workbench serve` on a free port. Leaving it ends server and worker."""

    def __init__(self, data: Path, *, worker: bool = True, **settings: str) -> None:
        self.settings = Settings(data=data)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.parent / "server.log"
        self._worker = worker
        self._environment = {**os.environ, "WORKBENCH_DATA": str(data), "ORT_DISABLE_TELEMETRY": "1", **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> LiveServer:
        command = [sys.executable, "-c", "from app.cli.main import main; main()", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *([] if self._worker else ["--no-worker"])],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, "the server answers")
        return self

    def kill(self) -> None:
        """As a crash or the OOM killer does: no handler runs. The worker goes with it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended:\n{self.text()}"
        try:
            with urllib.request.urlopen(f"{self.url}/static/icon.svg", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
