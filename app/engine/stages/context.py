"""What a stage may use of the world outside its spec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of the stage; `message` is a log line for people, empty when only the count moved."""

    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class StageContext:
    folder: Path
    """The stage's own folder: created empty, the only place it writes to."""
    report: Callable[[Progress], None]
    threads: int
    """Cores the stage may use."""
