"""One command for one machine: the web process starts a worker beside itself and restarts it when it dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Self

import structlog

from app.settings import Settings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STABLE_S = 60.0
"""A worker that lived this long died of something new: the next restart does not wait."""
STOP_S = 15.0

log = structlog.get_logger()


class WorkerLauncher:
    """Keeps one worker process running while it is entered: `with WorkerLauncher(settings): …`."""

    def __init__(self, settings: Settings, *, module: str = "app.worker") -> None:
        self._module = module
        self._environment = {**os.environ, **as_environment(settings), "ORT_DISABLE_TELEMETRY": "1"}
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # The worker is bound to the thread that starts it (PDEATHSIG), so this thread lives until the worker is to end.
        self._thread = threading.Thread(target=self._keep_running, name="worker-launcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def _keep_running(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            started = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(os.getpid())],
                env=self._environment,
                start_new_session=True,  # Ctrl-C in the terminal ends the server, which then ends the worker
            )
            code = self._wait(self._process)
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STABLE_S:
                pause_s = FIRST_PAUSE_S
            log.warning("worker ended, starting it again", returncode=code, pause_s=pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while process.poll() is None:
            if self._stopping.wait(0.2):
                process.terminate()
                try:
                    return process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    return process.wait()
        return process.returncode


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables they are read from, whatever they came from here."""
    values = settings.model_dump(mode="json")
    return {
        f"WORKBENCH_{name.upper()}": value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
    }
