"""`python -m tests.support.launching_parent WORKER_MODULE`: a web server's part in keeping a worker."""

from __future__ import annotations

import signal
import sys
import threading

from app.settings import Settings
from app.worker.launcher import WorkerLauncher

if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with WorkerLauncher(Settings(), module=sys.argv[1]):
        ended.wait()
