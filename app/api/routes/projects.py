"""Projects and what is started in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from app.api.dependencies import Limit, Offset, Wb, refusals
from app.api.schemas import ChangeProject, NewComparison, NewOptimization, NewProject, PotFile
from app.engine.quantize.pot import PotConfig, settings_from_pot
from app.services import comparisons, example, projects, reports, runs
from app.services.views import ComparisonView, PlanView, ProjectView, RunView

router = APIRouter(tags=["Projects"])
VariantIds = Annotated[list[str], Query(description="Variants to show; all when none is named.")]


@router.get("/projects")
def list_projects(wb: Wb, search: str = "", limit: Limit = None, offset: Offset = 0) -> tuple[ProjectView, ...]:
    """Newest first; `search` looks in the names of project, model and dataset."""
    return projects.list_projects(wb, search, limit=limit, offset=offset)


@router.post("/projects", status_code=201, responses=refusals(404, 409, 422))
def create_project(wb: Wb, body: NewProject) -> ProjectView:
    """Create a project; its baseline starts by itself."""
    return projects.create_project(
        wb,
        name=body.name,
        model_id=body.model_id,
        dataset_id=body.dataset_id,
        preprocessing=body.preprocessing,
        task=body.task,
        runtime=body.runtime,
    )


@router.post("/example", status_code=201, responses=refusals(503))
def load_example(wb: Wb) -> ProjectView:
    """The example project, made at the first call."""
    return example.load_example(wb)


@router.get("/projects/{project_id}", responses=refusals(404))
def get_project(wb: Wb, project_id: str) -> ProjectView:
    """With all its variants and their measurements."""
    return projects.get_project(wb, project_id)


@router.patch("/projects/{project_id}", responses=refusals(404, 422))
def change_project(wb: Wb, project_id: str, body: ChangeProject) -> ProjectView:
    """Another name, another limit."""
    if body.name is not None:
        projects.rename_project(wb, project_id, body.name)
    if body.max_drop is not None:
        projects.set_limit(wb, project_id, body.max_drop)
    return projects.get_project(wb, project_id)


@router.delete("/projects/{project_id}", status_code=204, responses=refusals(404))
def delete_project(wb: Wb, project_id: str) -> None:
    """With its variants and runs. Model and dataset stay."""
    projects.delete_project(wb, project_id)


@router.get("/projects/{project_id}/runs", responses=refusals(404))
def list_project_runs(wb: Wb, project_id: str, limit: Limit = None, offset: Offset = 0) -> tuple[RunView, ...]:
    """Newest first, without logs."""
    return runs.list_runs(wb, project_id, limit=limit, offset=offset)


@router.post("/projects/{project_id}/baseline", status_code=202, responses=refusals(404))
def start_baseline(wb: Wb, project_id: str) -> RunView:
    """Measure the original again."""
    return runs.start_baseline(wb, project_id)


@router.post("/projects/{project_id}/plan", responses=refusals(404, 422))
def plan_optimize(wb: Wb, project_id: str, body: NewOptimization) -> PlanView:
    """What these settings would do, and how long it would take."""
    return runs.plan_optimize(wb, project_id, body.settings)


@router.post("/projects/{project_id}/optimize", status_code=202, responses=refusals(404, 422))
def start_optimize(wb: Wb, project_id: str, body: NewOptimization) -> RunView:
    """Make an INT8 variant in the background."""
    return runs.start_optimize(wb, project_id, body.settings)


@router.post("/pot", responses=refusals(422))
def read_pot_file(body: PotFile) -> PotConfig:
    """What a POT configuration file means here, and what of it has no effect; starts nothing."""
    return settings_from_pot(body.text)


@router.post("/projects/{project_id}/compare", status_code=202, responses=refusals(404, 422))
def start_comparison(wb: Wb, project_id: str, body: NewComparison) -> RunView:
    """Measure variants again, in turns."""
    return runs.start_comparison(wb, project_id, body.variant_ids)


@router.get("/projects/{project_id}/comparison", responses=refusals(404))
def get_comparison(wb: Wb, project_id: str, variant: VariantIds = [], against: str = "") -> ComparisonView:  # noqa: B006
    """Variants side by side, with verdicts against one of them (the original when none is named)."""
    return comparisons.compare(wb, project_id, variant, against)


@router.get("/projects/{project_id}/report", response_class=HTMLResponse, responses=refusals(404))
def get_report(wb: Wb, project_id: str, variant: VariantIds = []) -> HTMLResponse:  # noqa: B006
    """One self-contained HTML file, to be saved and sent."""
    html = reports.project_report(wb, project_id, variant)
    return HTMLResponse(html, headers={"Content-Disposition": 'attachment; filename="report.html"'})
