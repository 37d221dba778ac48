"""Workers, the queue, health."""

from __future__ import annotations

from fastapi import APIRouter

from app import __version__
from app.api.dependencies import Wb, refusals
from app.api.schemas import Health
from app.services import workers
from app.services.views import QueueView, WorkerView

router = APIRouter(tags=["Workers"])


@router.get("/workers")
def list_workers(wb: Wb) -> tuple[WorkerView, ...]:
    """Machines with their runtimes, cores and instruction sets, and what they do now."""
    return workers.list_workers(wb)


@router.get("/queue")
def get_queue(wb: Wb) -> QueueView:
    """What runs and what waits, in order."""
    return workers.get_queue(wb)


@router.get("/health", responses=refusals(503))
def get_health(wb: Wb) -> Health:
    """200 when the database answers; `workers_up` tells whether anything would be done."""
    running, waiting = workers.queue_length(wb)
    up = sum(worker.state == "up" for worker in workers.list_workers(wb))
    return Health("ok", __version__, up, running, waiting)
