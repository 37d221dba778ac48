"""Projects: model + dataset + task + preprocessing + device, with all their variants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.validation import validate
from app.engine.records import to_json
from app.engine.tasks.classification import ClassificationTask
from app.errors import WorkbenchError
from app.jobs.queue import OPEN_STATES
from app.services import lookup
from app.services.context import Workbench
from app.services.loading import load_projects
from app.services.mapping.projects import project_view
from app.services.names import clean_name
from app.services.starting import start_run
from app.services.views import ProjectView
from app.storage.ids import new_id
from app.storage.tables import Dataset, Measurement, Model, Project, Run, Variant, utc_now

T = TypeVar("T")

RUNTIMES = ("onnxruntime",)
ORIGINAL_NAMES = {"float32": "FP32", "mixed": "FP32", "float16": "FP16", "int8": "INT8 original"}


def create_project(
    wb: Workbench,
    *,
    name: str,
    model_id: str,
    dataset_id: str,
    preprocessing: Preprocessing,
    task: ClassificationTask,
    runtime: str = "onnxruntime",
) -> ProjectView:
    """Create the project with its original variant and start the baseline, all or nothing.

    Raises:
        NotFoundError: `model.not_found`, `dataset.not_found`.
        ConflictError: `model.not_ready`, `dataset.not_ready`.
        WorkbenchError: `name.invalid`, `project.runtime`, `project.output`, `project.labels`, `preprocessing.…`.
    """
    cleaned = clean_name(name)
    if runtime not in RUNTIMES:
        message = f"A project runs on {' or '.join(RUNTIMES)}, not on {runtime!r}."
        raise WorkbenchError("project.runtime", message, where="runtime", hint="Leave it out: that is the runtime there is.")
    project_id = new_id()
    with wb.database.write() as session:
        model, description = lookup.get_ready_model(session, wb.user_id, model_id)
        _, data = lookup.get_ready_dataset(session, wb.user_id, dataset_id)
        _check_fit(description, data, preprocessing, task)
        session.add(
            Project(
                id=project_id,
                owner_id=wb.user_id,
                name=cleaned,
                model_id=model_id,
                dataset_id=dataset_id,
                preprocessing=to_json(preprocessing),
                task=to_json(task),
                runtime=runtime,
            )
        )
        session.flush()
        original = ORIGINAL_NAMES[description.precision]
        session.add(
            Variant(project_id=project_id, method="fp32", name=original, sha256=model.sha256, size_bytes=description.size_bytes)
        )
        start_run(wb, session, "baseline", project_id=project_id)
    return get_project(wb, project_id)


def list_projects(wb: Workbench, search: str = "", *, limit: int | None = None, offset: int = 0) -> tuple[ProjectView, ...]:
    """The user's projects, newest first: all, or `limit` of them from `offset` on.

    `search` looks in the names of project, model and dataset.
    """
    wanted = _matching(select(Project), wb.user_id, search).order_by(Project.id.desc()).limit(limit).offset(offset)
    with wb.database.read() as session:
        return _views(wb, session, session.scalars(wanted).all())


def count_projects(wb: Workbench, search: str = "") -> int:
    """How many `list_projects` has in all."""
    with wb.database.read() as session:
        return session.scalars(_matching(select(func.count()).select_from(Project), wb.user_id, search)).one()


def get_project(wb: Workbench, project_id: str) -> ProjectView:
    """Raises NotFoundError `project.not_found`."""
    with wb.database.read() as session:
        return _views(wb, session, [lookup.get_project_row(session, wb.user_id, project_id)])[0]


def rename_project(wb: Workbench, project_id: str, name: str) -> ProjectView:
    """Raises WorkbenchError `name.invalid`, NotFoundError `project.not_found`."""
    cleaned = clean_name(name)
    with wb.database.write() as session:
        lookup.get_project_row(session, wb.user_id, project_id).name = cleaned
    return get_project(wb, project_id)


def set_limit(wb: Workbench, project_id: str, max_drop: float) -> ProjectView:
    """The limit in points that verdicts are given against. Raises WorkbenchError `project.max_drop`."""
    if not (math.isfinite(max_drop) and 0 <= max_drop <= 100):
        message = f"The limit must be a number from 0 to 100, but is {max_drop}."
        raise WorkbenchError("project.max_drop", message, where="max_drop", hint="1.0 is a usual value.")
    with wb.database.write() as session:
        lookup.get_project_row(session, wb.user_id, project_id).max_drop = max_drop
    return get_project(wb, project_id)


def delete_project(wb: Workbench, project_id: str) -> None:
    """With its variants and runs; a run in progress is cancelled. Model and dataset stay."""
    with wb.database.read() as session:
        lookup.get_project_row(session, wb.user_id, project_id)
        open_runs = session.scalars(select(Run.id).where(Run.project_id == project_id, Run.state.in_(OPEN_STATES))).all()
    for run_id in open_runs:
        wb.queue.cancel(run_id)
    with wb.database.write() as session:
        row = lookup.get_project_row(session, wb.user_id, project_id)
        of_project = select(Variant.id).where(Variant.project_id == project_id)
        session.execute(delete(Measurement).where(Measurement.variant_id.in_(of_project)))
        session.execute(delete(Variant).where(Variant.project_id == project_id))
        session.delete(row)


def _matching(query: Select[T], owner_id: str, search: str) -> Select[T]:
    """The same conditions for the list and for its length."""
    wanted = query.where(Project.owner_id == owner_id)
    text = search.strip()
    if not text:
        return wanted
    columns = (Project.name, Model.name, Dataset.name)
    return (
        wanted.join(Model, Project.model_id == Model.id)
        .join(Dataset, Project.dataset_id == Dataset.id)
        .where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    )


def _views(wb: Workbench, session: Session, rows: Sequence[Project]) -> tuple[ProjectView, ...]:
    now, loaded = utc_now(), load_projects(session, rows)
    return tuple(project_view(loaded[row.id], wb.settings, now) for row in rows)


def _check_fit(
    model: ModelDescription, dataset: DatasetDescription, preprocessing: Preprocessing, task: ClassificationTask
) -> None:
    validate(preprocessing, channels=model.channels, height=model.height, width=model.width, layout=model.layout)
    outputs = [output.name for output in model.outputs]
    if task.output not in outputs:
        message = f"The model has the outputs {', '.join(outputs)}, but the task reads {task.output!r}."
        hint = "Name one of them, or take the task that a preflight found."
        raise WorkbenchError("project.output", message, where="task.output", hint=hint)
    lowest, highest = dataset.label_min, dataset.label_max
    if lowest is not None and highest is not None:
        first, last = lowest + task.label_offset, highest + task.label_offset
        if first < 0 or last >= task.classes:
            message = (
                f"The model knows the classes 0 to {task.classes - 1}, but the dataset's labels become {first} to {last} "
                f"(labels {lowest} to {highest}, offset {task.label_offset})."
            )
            raise WorkbenchError("project.labels", message, where="label_offset", hint="Change the offset or the labels.")
