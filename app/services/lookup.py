"""Rows of the acting user by id, and what several services ask of the database. One query each, never one per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription
from app.engine.records import from_json
from app.errors import ConflictError, NotFoundError
from app.storage.tables import Dataset, Model, Project, Run, Upload, Variant

Asset = Literal["model", "dataset"]
Row = TypeVar("Row", Model, Dataset, Project, Run, Upload)
LOOK_IN = {
    "model": "The page Models lists those that are there.",
    "dataset": "The page Datasets lists those that are there.",
    "project": "The page Projects lists those that are there.",
    "run": "The page Runs of its project lists those that are there.",
    "upload": "Start it again.",
    "variant": "The overview of its project lists those that are there.",
}
"""What to do when something is gone."""


def get_row(session: Session, table: type[Row], noun: str, owner_id: str, row_id: str) -> Row:
    """Raises NotFoundError `<noun>.not_found`, also for what belongs to somebody else."""
    row = session.scalars(select(table).where(table.id == row_id, table.owner_id == owner_id)).one_or_none()
    if row is None:
        raise not_found(noun, row_id)
    return row


def not_found(noun: str, row_id: str) -> NotFoundError:
    """`model.not_found`, `dataset.not_found`, `project.not_found`, `run.not_found`, `upload.not_found`, `variant.not_found`."""
    return NotFoundError(f"{noun}.not_found", f"There is no such {noun} (any more).", where=row_id, hint=LOOK_IN[noun])


def not_in_project(variant_id: str) -> NotFoundError:
    message = "There is no such variant in this project."
    return NotFoundError("variant.not_found", message, where=variant_id, hint="The overview of the project lists its variants.")


def get_model_row(session: Session, owner_id: str, model_id: str) -> Model:
    return get_row(session, Model, "model", owner_id, model_id)


def get_dataset_row(session: Session, owner_id: str, dataset_id: str) -> Dataset:
    return get_row(session, Dataset, "dataset", owner_id, dataset_id)


def get_project_row(session: Session, owner_id: str, project_id: str) -> Project:
    return get_row(session, Project, "project", owner_id, project_id)


def get_run_row(session: Session, owner_id: str, run_id: str) -> Run:
    return get_row(session, Run, "run", owner_id, run_id)


def get_upload_row(session: Session, owner_id: str, upload_id: str) -> Upload:
    return get_row(session, Upload, "upload", owner_id, upload_id)


def get_variant_row(session: Session, owner_id: str, variant_id: str) -> Variant:
    found = select(Variant).join(Project).where(Variant.id == variant_id, Project.owner_id == owner_id)
    row = session.scalars(found).one_or_none()
    if row is None:
        raise not_found("variant", variant_id)
    return row


def count_projects(session: Session, asset: Asset, ids: Sequence[str]) -> dict[str, int]:
    """How many projects use each of these models or datasets; those with none are left out."""
    column = Project.model_id if asset == "model" else Project.dataset_id
    counted = select(column, func.count()).where(column.in_(ids)).group_by(column)
    return {row[0]: row[1] for row in session.execute(counted)}


def inspection_runs(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The newest inspection of each of these models or datasets: subject id -> run id."""
    newest = select(Run.subject_id, func.max(Run.id)).where(Run.subject_id.in_(ids)).group_by(Run.subject_id)
    return {row[0] or "": row[1] for row in session.execute(newest)}


def refuse_when_used(session: Session, asset: Asset, asset_id: str, name: str) -> None:
    """Raises ConflictError `model.in_use` or `dataset.in_use`, naming the projects."""
    column = Project.model_id if asset == "model" else Project.dataset_id
    users = session.scalars(select(Project.name).where(column == asset_id).order_by(Project.id)).all()
    if users:
        listed = ", ".join(users[:3]) + (" …" if len(users) > 3 else "")
        noun = "project uses" if len(users) == 1 else "projects use"
        message = f"{name} cannot be deleted: {len(users)} {noun} it ({listed})."
        raise ConflictError(f"{asset}.in_use", message, where=name, hint="Delete the projects first.")


def get_ready_model(session: Session, owner_id: str, model_id: str) -> tuple[Model, ModelDescription]:
    """Raises NotFoundError `model.not_found`, ConflictError `model.not_ready`."""
    row = get_model_row(session, owner_id, model_id)
    if row.state != "ready" or row.description is None:
        raise _not_ready("model", row)
    return row, from_json(ModelDescription, row.description)


def get_ready_dataset(session: Session, owner_id: str, dataset_id: str) -> tuple[Dataset, DatasetDescription]:
    """Raises NotFoundError `dataset.not_found`, ConflictError `dataset.not_ready`."""
    row = get_dataset_row(session, owner_id, dataset_id)
    if row.state != "ready" or row.description is None:
        raise _not_ready("dataset", row)
    return row, from_json(DatasetDescription, row.description)


def _not_ready(asset: Asset, row: Model | Dataset) -> ConflictError:
    if row.state == "inspecting":
        message, hint = f"{row.name} is still being looked into.", "Wait some seconds and try again."
    else:
        reason = (row.error or {}).get("message", "it was refused.")
        message, hint = f"{row.name} cannot be used: {reason}", f"Choose another {asset}."
    return ConflictError(f"{asset}.not_ready", message, where=row.name, hint=hint)
