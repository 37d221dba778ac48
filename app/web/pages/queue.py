"""The pill in the header: how much runs and waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QueuePill:
    text: str
    """Empty: nothing is going on."""
    running: bool


def queue_pill(running: int, waiting: int) -> QueuePill:
    parts = []
    if running:
        parts.append(f"{running} running")
    if waiting:
        parts.append(f"{waiting} waiting")
    return QueuePill(", ".join(parts), running > 0)
