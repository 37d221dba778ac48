"""`python -m tests.support.launching_parent`: stands for the web server, with a worker beside it, until it is ended."""

from __future__ import annotations

import signal
import threading

from app.settings import Settings
from app.worker.launcher import WorkerLauncher

if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with WorkerLauncher(Settings(), module="tests.support.gated_worker"):
        ended.wait()
