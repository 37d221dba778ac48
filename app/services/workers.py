"""Machines that work, and what waits for them."""

from __future__ import annotations

from app.services.context import Workbench
from app.services.views import QueueView, WorkerView


def list_workers(wb: Workbench) -> tuple[WorkerView, ...]:
    """Workers that are up first, then those gone, latest first; of each name only the newest start."""
    raise NotImplementedError


def get_queue(wb: Workbench) -> QueueView:
    """What runs and what waits, of all users, in order."""
    raise NotImplementedError
