"""A project: overview, limit, optimize, rename, delete. (New projects: routes/preflight.py.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from app.engine.quantize.pot import settings_from_pot, settings_from_pot_file
from app.engine.quantize.pot_text import MAX_CHARS
from app.engine.quantize.recipe import QuantizationSettings
from app.errors import NotFoundError, WorkbenchError
from app.services import projects, reports, runs
from app.services.context import Workbench
from app.services.views import ErrorView, PlanView, ProjectView
from app.web.dependencies import Wb
from app.web.downloads import attachment
from app.web.flash import Flash
from app.web.forms.fields import Mistake, WrongValueError, number, text_of
from app.web.forms.optimize import LABELS, OptimizeForm
from app.web.pages.confirm import Confirmation
from app.web.pages.optimize import OptimizePage, optimize_page
from app.web.pages.overview import overview_page
from app.web.pages.words import points_text
from app.web.templating import render, wants_fragment

router = APIRouter(prefix="/projects", include_in_schema=False)


@router.get("")
def show_projects() -> Response:
    return RedirectResponse("/", 303)


@router.get("/{project_id}")
def show_overview(request: Request, wb: Wb, project_id: str) -> Response:
    return _overview(request, wb, projects.get_project(wb, project_id))


@router.post("/{project_id}/limit")
def set_limit(request: Request, wb: Wb, project_id: str, max_drop: Annotated[str, Form()] = "") -> Response:
    """Moves the line, the zone and the verdicts; nothing is measured again."""
    try:
        limit = number(max_drop.strip(), 0, 100, example="1.0")
    except WrongValueError as error:
        project = projects.get_project(wb, project_id)
        page = overview_page(project, limit_text=max_drop, limit_error=str(error))
        status = 200 if wants_fragment(request) else 422  # half a number while typing is no refused form
        return render(request, "pages/project_overview.html", page, block="measured", status=status)
    project = projects.set_limit(wb, project_id, limit)
    if not wants_fragment(request):
        return RedirectResponse(f"/projects/{project_id}", 303)
    return render(request, "pages/project_overview.html", overview_page(project, limit_text=max_drop), block="measured")


@router.post("/{project_id}/baseline")
def start_baseline(wb: Wb, project_id: str) -> Response:
    return RedirectResponse(f"/runs/{runs.start_baseline(wb, project_id).id}", 303)


@router.get("/{project_id}/optimize")
def show_optimize(request: Request, wb: Wb, project_id: str) -> Response:
    """The form; for htmx the plan that belongs to its values, which come in the query."""
    project = projects.get_project(wb, project_id)
    form = OptimizeForm.of(request.query_params, max_drop=points_text(project.max_drop))
    page = _planned(wb, project, form)
    if wants_fragment(request):
        return render(request, "fragments/plan_changed.html", page)
    return render(request, "pages/project_optimize.html", page)


@router.post("/{project_id}/optimize")
async def start_optimize(request: Request, wb: Wb, project_id: str) -> Response:
    form = OptimizeForm.of(await request.form())
    return await run_in_threadpool(_start_optimize, request, wb, project_id, form)


@router.post("/{project_id}/optimize/pot")
async def read_pot_file(request: Request, wb: Wb, project_id: str) -> Response:
    """Fills the form with the settings of a POT file, chosen or pasted. A file that cannot be read changes nothing of it."""
    async with request.form(max_files=1) as data:
        upload, form = data.get("pot_file"), OptimizeForm.of(data)
        pasted = text_of(data, "pot", "")
        content = await upload.read(MAX_CHARS + 1) if isinstance(upload, UploadFile) and upload.filename else pasted
    return await run_in_threadpool(_show_pot, request, wb, project_id, form, content)


@router.post("/{project_id}/rename")
def rename(wb: Wb, project_id: str, name: Annotated[str, Form()] = "") -> Response:
    response = RedirectResponse(f"/projects/{project_id}", 303)
    try:
        projects.rename_project(wb, project_id, name)
    except WorkbenchError as error:
        if isinstance(error, NotFoundError):
            raise
        Flash("bad", str(error)).add_to(response)
    return response


@router.get("/{project_id}/delete")
def confirm_delete(request: Request, wb: Wb, project_id: str) -> Response:
    project = projects.get_project(wb, project_id)
    page = Confirmation(
        section="Projects",
        title=f"Delete {project.name}?",
        text="Its variants, runs and measurements go for good. The model and the dataset stay.",
        blocked="",
        verb="Delete",
        action=f"/projects/{project_id}/delete",
        back=f"/projects/{project_id}",
    )
    return render(request, "pages/confirm.html", page)


@router.post("/{project_id}/delete")
def delete(wb: Wb, project_id: str) -> Response:
    name = projects.get_project(wb, project_id).name
    projects.delete_project(wb, project_id)
    response = RedirectResponse("/", 303)
    Flash("good", f"{name} was deleted.").add_to(response)
    return response


@router.get("/{project_id}/report.html")
def download_report(request: Request, wb: Wb, project_id: str) -> Response:
    project = projects.get_project(wb, project_id)
    html = reports.project_report(wb, project_id, tuple(request.query_params.getlist("v")))
    return attachment(html, f"{project.name} report.html", "text/html; charset=utf-8")


def _overview(request: Request, wb: Workbench, project: ProjectView) -> Response:
    failed = None
    if project.original.evaluation is None and project.active_run is None:
        failed = next((run.error for run in runs.list_runs(wb, project.id) if run.error is not None), None)
    page = overview_page(project, failed=failed)
    return render(request, "pages/project_overview.html", page)


def _start_optimize(request: Request, wb: Workbench, project_id: str, form: OptimizeForm) -> Response:
    settings, mistakes = form.read()
    if mistakes:
        page = optimize_page(projects.get_project(wb, project_id), form, settings, mistakes, None, sent=True)
        return render(request, "pages/project_optimize.html", page, status=422)
    try:
        run = runs.start_optimize(wb, project_id, settings)
    except NotFoundError:
        raise
    except WorkbenchError as error:
        page = _refused(projects.get_project(wb, project_id), form, settings, error)
        return render(request, "pages/project_optimize.html", page, status=error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _show_pot(request: Request, wb: Workbench, project_id: str, form: OptimizeForm, content: str | bytes) -> Response:
    project = projects.get_project(wb, project_id)
    try:
        config = settings_from_pot(content) if isinstance(content, str) else settings_from_pot_file(content)
    except WorkbenchError as error:
        where = f" ({error.where})" if error.where else ""
        message = f"{error.message}{where} {error.hint}" if content else "Choose a file, or paste its text."
        mistake = Mistake("pot", "POT file", message.strip(), error.code)
        kept = content if isinstance(content, str) else ""
        page = optimize_page(project, form, form.read()[0], (mistake,), None, sent=True, pot=kept)
        return render(request, "pages/project_optimize.html", page, status=error.status)
    page = _planned(wb, project, OptimizeForm.show(config.settings))
    return render(request, "pages/project_optimize.html", replace(page, pot_notes=config.notes, more_open=True))


def _planned(wb: Workbench, project: ProjectView, form: OptimizeForm) -> OptimizePage:
    settings, mistakes = form.read()
    plan: PlanView | None = None
    if not mistakes:
        try:
            plan = runs.plan_optimize(wb, project.id, settings)
        except WorkbenchError as error:
            return _refused(project, form, settings, error)
    return optimize_page(project, form, settings, mistakes, plan)


def _refused(project: ProjectView, form: OptimizeForm, settings: QuantizationSettings, error: WorkbenchError) -> OptimizePage:
    """What the service knows and the form does not: beside the field it names, else above the form."""
    if error.where in LABELS:
        mistake = Mistake(error.where, LABELS[error.where], f"{error.message} {error.hint}".strip(), error.code)
        return optimize_page(project, form, settings, (mistake,), None, sent=True)
    refused = ErrorView(error.code, error.message, error.where, error.hint)
    return optimize_page(project, form, settings, (), None, refused=refused)
