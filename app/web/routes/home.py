"""The projects, the example, and the pill that says what is going on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.services import example, models, projects, workers
from app.web.dependencies import Wb
from app.web.pages.home import home_page
from app.web.pages.parts import part_of
from app.web.pages.queue import queue_pill
from app.web.templating import render

router = APIRouter(include_in_schema=False)

MAX_SEARCH_CHARACTERS = 200
SHOWN = 24
"""Eight rows of three cards."""


@router.get("/")
def show_projects(request: Request, wb: Wb, search: str = "") -> Response:
    wanted = search.strip()[:MAX_SEARCH_CHARACTERS]
    part = part_of(
        "/", request.query_params.get("page", ""), projects.count_projects(wb, wanted), SHOWN, "project", search=wanted
    )
    found = projects.list_projects(wb, wanted, limit=part.size, offset=part.offset)
    page = home_page(found, part, search=wanted, has_models=bool(found) or models.count_models(wb) > 0)
    return render(request, "pages/home.html", page, block="projects")


@router.post("/example")
def load_example(wb: Wb) -> Response:
    project = example.load_example(wb)
    return RedirectResponse(f"/projects/{project.id}", 303)


@router.get("/fragments/queue")
def show_queue(request: Request, wb: Wb) -> Response:
    return render(request, "fragments/queue.html", queue_pill(*workers.queue_length(wb)))
