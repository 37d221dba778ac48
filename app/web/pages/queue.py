"""The pill in the header: how much runs and waits."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.views import QueueView


@dataclass(frozen=True)
class QueuePill:
    text: str
    """Empty: nothing is going on."""
    running: bool


def queue_pill(queue: QueueView) -> QueuePill:
    parts = []
    if queue.running:
        parts.append(f"{queue.running} running")
    if queue.waiting:
        parts.append(f"{queue.waiting} waiting")
    return QueuePill(", ".join(parts), queue.running > 0)
