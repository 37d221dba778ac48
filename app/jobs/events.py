"""What a run says about itself while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["planned", "started", "progress", "log", "finished", "failed"]


@dataclass(frozen=True)
class Event:
    kind: EventKind
    stage: str
    """The stage's label."""
    done: int = 0
    total: int = 0
    message: str = ""
