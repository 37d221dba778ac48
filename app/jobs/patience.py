"""What a job writes must be written: it waits for a database that is busy or restarting instead of failing the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from app.errors import UnavailableError

T = TypeVar("T")
PATIENCE_S = 600.0
log = structlog.get_logger()


def patiently(action: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Repeat a whole transaction until the database takes it, for at most ten minutes.

    Raises:
        UnavailableError: the last `database.…` refusal; any other refusal at once.
    """
    deadline = time.monotonic() + patience_s
    pause_s = 0.1
    while True:
        try:
            return action()
        except UnavailableError as error:
            if not error.code.startswith("database.") or time.monotonic() + pause_s > deadline:
                raise
            log.warning("waiting for the database", code=error.code, message=error.message)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 5.0)
