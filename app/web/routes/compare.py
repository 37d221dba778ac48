"""Variants of a project side by side. The choice is in the URL: ?v=…&v=…&against=…"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.services import comparisons, projects, runs
from app.services.context import Workbench
from app.services.views import ComparisonView
from app.web.dependencies import Wb
from app.web.downloads import attachment
from app.web.pages.compare import compare_page, comparison_csv
from app.web.templating import render

router = APIRouter(prefix="/projects", include_in_schema=False)


@router.get("/{project_id}/compare")
def show_comparison(request: Request, wb: Wb, project_id: str) -> Response:
    project = projects.get_project(wb, project_id)
    comparison = _chosen(request, wb, project_id) if len(project.variants) > 1 else None
    return render(request, "pages/project_compare.html", compare_page(project, comparison))


@router.get("/{project_id}/compare.csv")
def download_csv(request: Request, wb: Wb, project_id: str) -> Response:
    project = projects.get_project(wb, project_id)
    text = comparison_csv(_chosen(request, wb, project_id))
    return attachment(text, f"{project.name} comparison.csv", "text/csv; charset=utf-8")


@router.post("/{project_id}/compare")
def measure_again(request: Request, wb: Wb, project_id: str) -> Response:
    """All variants of the page together, in turns; the reference first."""
    comparison = _chosen(request, wb, project_id)
    run = runs.start_comparison(wb, project_id, [variant.id for variant in comparison.variants])
    return RedirectResponse(f"/runs/{run.id}", 303)


def _chosen(request: Request, wb: Workbench, project_id: str) -> ComparisonView:
    query = request.query_params
    ids = tuple(dict.fromkeys(query.getlist("v")))
    return comparisons.compare(wb, project_id, ids, query.get("against", ""))
