"""Ctrl-C and SIGTERM unwind the stack, so that every child is gone before the command is."""

from __future__ import annotations

import signal
from types import FrameType

from app.cli.output import EXIT_TERMINATED


def unwind_on_sigterm() -> None:
    """SIGTERM as an exception in the main thread; SIGINT is one already."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(EXIT_TERMINATED)

    signal.signal(signal.SIGTERM, stop)
