"""New projects: choose, check how images become inputs, create. The state is in the URL: ?model=&dataset=&preflight=&found="""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, RedirectResponse, Response

from app.engine.preprocessing.validation import MAX_SIDE
from app.engine.tasks.classification import ClassificationTask
from app.errors import NotFoundError, WorkbenchError
from app.services import datasets, models, preflights, projects, workers
from app.services.context import Workbench
from app.services.views import ErrorView, PreflightView
from app.web.dependencies import Wb
from app.web.filters import plural
from app.web.forms.fields import Mistake, WrongValueError, text_of, whole
from app.web.forms.preprocessing import LABELS, PreprocessingForm
from app.web.pages import new_project
from app.web.pages.new_project import new_project_page
from app.web.templating import render, wants_fragment

router = APIRouter(include_in_schema=False)
LONGEST_ID = 64


@router.get("/projects/new")
def show_new_project(
    request: Request, wb: Wb, model: str = "", dataset: str = "", preflight: str = "", found: str = "", name: str | None = None
) -> Response:
    view = preflights.get_preflight(wb, preflight) if preflight else None
    asked = new_project.Asked(
        model_id=view.model_id if view else model,
        dataset_id=view.dataset_id if view else dataset,
        found=found,
        misses_only=request.query_params.get("show") == "misses",
        name=name,
    )
    response = _page(request, wb, view, asked)
    if preflight and "HX-Request" in request.headers and not wants_fragment(request):
        # a preflight was started by a POST: the address bar shows where its result can be found again
        response.headers["HX-Replace-Url"] = f"{request.url.path}?{request.url.query}"
    return response


@router.post("/preflights")
async def start_preflight(request: Request, wb: Wb) -> Response:
    data = await request.form()
    return await run_in_threadpool(_start, request, wb, data)


@router.get("/preflights/{run_id}/previews/{name}")
def show_preview(wb: Wb, run_id: str, name: str) -> Response:
    """Pictures never change: their names are those of one run."""
    path = preflights.preview(wb, run_id, name)
    return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.post("/projects")
async def create_project(request: Request, wb: Wb) -> Response:
    data = await request.form()
    return await run_in_threadpool(_create, request, wb, data)


def _start(request: Request, wb: Workbench, data: Mapping[str, object]) -> Response:
    """The usual ways, or with `fixed` only the values of the form."""
    asked = _asked(data)
    if not asked.model_id or not asked.dataset_id:
        return _page(request, wb, None, asked)
    if "fixed" in data:
        return _check(request, wb, data, asked)
    size, mistakes = _size_of(data)
    if mistakes:
        return _page(request, wb, None, asked, mistakes=mistakes, not_done=_not_done("checked", mistakes), status=422)
    try:
        run = preflights.start_preflight(
            wb, asked.model_id, asked.dataset_id, height=size.get("height"), width=size.get("width")
        )
    except NotFoundError:
        raise
    except WorkbenchError as error:
        if error.code == "preflight.size" and not size:  # asked first, no mistake of the user
            return _page(request, wb, None, asked)
        return _refused(request, wb, None, asked, error, "checked")
    return RedirectResponse(new_project.address(run.id, new_project.Asked()), 303)


def _check(request: Request, wb: Workbench, data: Mapping[str, object], asked: new_project.Asked) -> Response:
    view = _preflight_of(wb, data)
    form = PreprocessingForm.of(data)
    value, label_offset, mistakes = form.read()
    asked = _typed(asked, form, data)
    if value is None:
        return _page(request, wb, view, asked, mistakes=mistakes, not_done=_not_done("checked", mistakes), status=422)
    try:
        run = preflights.start_preflight(wb, asked.model_id, asked.dataset_id, fixed=value, label_offset=label_offset)
    except NotFoundError:
        raise
    except WorkbenchError as error:
        return _refused(request, wb, view, asked, error, "checked")
    return RedirectResponse(new_project.address(run.id, asked), 303)


def _create(request: Request, wb: Workbench, data: Mapping[str, object]) -> Response:
    view = _preflight_of(wb, data)
    form = PreprocessingForm.of(data)
    value, label_offset, mistakes = form.read()
    asked = _typed(_asked(data), form, data)
    if value is None:
        return _page(request, wb, view, asked, mistakes=mistakes, not_done=_not_done("created", mistakes), status=422)
    try:
        project = projects.create_project(
            wb,
            name=asked.name or "",
            model_id=asked.model_id,
            dataset_id=asked.dataset_id,
            preprocessing=value,
            task=_task(wb, view, asked, label_offset),
            runtime=text_of(data, "runtime", "onnxruntime"),
        )
    except NotFoundError:
        raise
    except WorkbenchError as error:
        return _refused(request, wb, view, asked, error, "created")
    return RedirectResponse(f"/projects/{project.id}", 303)


def _task(wb: Workbench, view: PreflightView | None, asked: new_project.Asked, label_offset: int) -> ClassificationTask:
    """What the preflight found the output to mean; from the file's description when no preflight succeeded."""
    if view is not None and view.result is not None:
        task = view.result.task
        return ClassificationTask(task.output, task.classes, label_offset)
    description = models.get_model(wb, asked.model_id).description
    if description is None or description.classes is None:
        message = "The model's output is not known to be scores of classes."
        raise WorkbenchError("project.task", message, hint="Check how images become inputs first.")
    return ClassificationTask(description.outputs[0].name, description.classes, label_offset)


def _refused(
    request: Request, wb: Workbench, view: PreflightView | None, asked: new_project.Asked, error: WorkbenchError, verb: str
) -> Response:
    """Beside the field the service names, else above the form."""
    labels = {**LABELS, "name": "Project name"}
    if error.where in labels or error.code == "name.invalid":
        field = "name" if error.code == "name.invalid" else error.where
        mistakes = [Mistake(field, labels[field], f"{error.message} {error.hint}".strip())]
        return _page(request, wb, view, asked, mistakes=mistakes, not_done=_not_done(verb, mistakes), status=error.status)
    problem = ErrorView(error.code, error.message, error.where, error.hint)
    return _page(request, wb, view, asked, problem=problem, status=error.status)


def _page(
    request: Request,
    wb: Workbench,
    view: PreflightView | None,
    asked: new_project.Asked,
    *,
    mistakes: Sequence[Mistake] = (),
    not_done: str = "",
    problem: ErrorView | None = None,
    status: int = 200,
) -> Response:
    page = new_project_page(
        models.list_models(wb),
        datasets.list_datasets(wb),
        workers.list_workers(wb),
        view,
        asked,
        mistakes=mistakes,
        not_done=not_done,
        problem=problem,
    )
    return render(request, "pages/project_new.html", page, status=status)


def _asked(data: Mapping[str, object]) -> new_project.Asked:
    return new_project.Asked(
        model_id=text_of(data, "model", "")[:LONGEST_ID],
        dataset_id=text_of(data, "dataset", "")[:LONGEST_ID],
        found=text_of(data, "found", "")[:LONGEST_ID],
    )


def _typed(asked: new_project.Asked, form: PreprocessingForm, data: Mapping[str, object]) -> new_project.Asked:
    return new_project.Asked(asked.model_id, asked.dataset_id, asked.found, form=form, name=text_of(data, "name", ""))


def _preflight_of(wb: Workbench, data: Mapping[str, object]) -> PreflightView | None:
    run_id = text_of(data, "preflight", "")[:LONGEST_ID]
    return preflights.get_preflight(wb, run_id) if run_id else None


def _size_of(data: Mapping[str, object]) -> tuple[dict[str, int], list[Mistake]]:
    """Height and width where the page asked for them."""
    size: dict[str, int] = {}
    mistakes: list[Mistake] = []
    for name in ("height", "width"):
        if name not in data:
            continue
        try:
            size[name] = whole(text_of(data, name, ""), 1, MAX_SIDE, example="224")
        except WrongValueError as error:
            mistakes.append(Mistake(name, LABELS[name], str(error)))
    return size, mistakes


def _not_done(verb: str, mistakes: Sequence[Mistake]) -> str:
    return f"Not {verb}: {plural(len(mistakes), 'value needs', 'values need')} a change."
