"""Machines, queue, health."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.services import workers
from app.web.dependencies import Wb
from app.web.pages.workers import workers_page
from app.web.templating import render

router = APIRouter(prefix="/workers", include_in_schema=False)


@router.get("")
def show_workers(request: Request, wb: Wb) -> Response:
    page = workers_page(wb, workers.list_workers(wb), workers.get_queue(wb))
    return render(request, "pages/workers.html", page, block="machines")
