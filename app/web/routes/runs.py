"""Runs: list, live page, events, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.responses import RedirectResponse, Response

from app.errors import NotFoundError
from app.services import projects, runs
from app.services.context import Workbench
from app.services.views import RunState, RunView
from app.web.dependencies import Wb
from app.web.pages.parts import part_of
from app.web.pages.run import banner_page, run_page, runs_page
from app.web.templating import render

POLL_SECONDS = 0.5
"""A page shows what happened at most this much later; the look is one indexed query."""
LIVE: frozenset[RunState] = frozenset({"queued", "running"})

SHOWN = 50
"""Runs on one page of the list."""

router = APIRouter(include_in_schema=False)


@router.get("/projects/{project_id}/runs")
def show_runs(request: Request, wb: Wb, project_id: str) -> Response:
    project, counts = projects.get_project(wb, project_id), runs.count_runs(wb, project_id)
    asked = request.query_params.get("page", "")
    part = part_of(f"/projects/{project_id}/runs", asked, sum(counts.values()), SHOWN, "run")
    page = runs_page(project, counts, part, runs.list_runs(wb, project_id, limit=part.size, offset=part.offset))
    return render(request, "pages/project_runs.html", page)


@router.get("/runs/{run_id}")
def show_run(request: Request, wb: Wb, run_id: str) -> Response:
    run = runs.get_run(wb, run_id)
    elsewhere = _other_page(run)
    if elsewhere:
        return RedirectResponse(elsewhere, 303)
    project = projects.get_project(wb, run.project_id)
    made = next((variant for variant in project.variants if variant.id == run.variant_id), None)
    page = run_page(project, run, made)
    return render(request, "pages/run.html", page, block="live")


@router.get("/runs/{run_id}/banner")
def show_banner(request: Request, wb: Wb, run_id: str) -> Response:
    return render(request, "fragments/banner.html", banner_page(runs.get_run(wb, run_id)))


@router.post("/runs/{run_id}/cancel")
def cancel(wb: Wb, run_id: str, back: str = "") -> Response:
    runs.cancel_run(wb, run_id)
    return RedirectResponse("/workers" if back == "workers" else f"/runs/{run_id}", 303)


@router.get("/runs/{run_id}/events")
def follow(request: Request, wb: Wb, run_id: str, after: int = 0) -> Response:
    """Server-sent events: "changed" with the id of the newest event of the run, "finished" when it is over.

    A reader that comes back names the last id it saw (`Last-Event-ID`) and hears only of what is newer.
    """
    runs.position(wb, run_id)  # 404 before the stream begins
    seen = request.headers.get("Last-Event-ID", "")
    return EventSourceResponse(follow_run(wb, run_id, int(seen) if seen.isdecimal() else after), ping=15)


async def follow_run(
    wb: Workbench, run_id: str, after: int, *, poll_seconds: float = POLL_SECONDS
) -> AsyncIterator[ServerSentEvent]:
    """The events of one reader who has seen everything up to `after`."""
    told: tuple[int, RunState | None] = (after, None)
    while True:
        try:
            position, state = await to_thread.run_sync(runs.position, wb, run_id)
        except NotFoundError:  # deleted with its project meanwhile
            return
        if state not in LIVE:
            yield ServerSentEvent(data=state, event="finished", id=str(position))
            return
        news = position > told[0] or (told[1] is not None and state != told[1])
        told = (max(position, told[0]), state)
        if news:
            yield ServerSentEvent(data=state, event="changed", id=str(position))
        await anyio.sleep(poll_seconds)


def _other_page(run: RunView) -> str:
    """Inspections and preflights are shown where they were started."""
    if run.kind == "preflight":
        return f"/projects/new?preflight={run.id}"
    if run.project_id:
        return ""
    return "/models" if run.kind == "inspect-model" else "/datasets"
