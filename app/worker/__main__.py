"""`python -m app.worker [PARENT_PID]`: a worker with settings from the environment, bound to the life of its parent."""

from __future__ import annotations

import sys

from app.engine.stages.__main__ import bind_to_parent
from app.settings import Settings
from app.worker.main import run_worker

if __name__ == "__main__":
    if len(sys.argv) > 1:
        bind_to_parent(int(sys.argv[1]))
    run_worker(Settings())
