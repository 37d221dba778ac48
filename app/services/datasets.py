"""Datasets: what was uploaded, what was understood of it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from app.errors import NotFoundError
from app.services import lookup
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.mapping.assets import dataset_view
from app.services.names import clean_filename, clean_name
from app.services.views import DatasetView
from app.storage.tables import Dataset


def list_datasets(wb: Workbench, *, limit: int | None = None, offset: int = 0) -> tuple[DatasetView, ...]:
    """The user's datasets, newest first: all, or `limit` of them from `offset` on."""
    wanted = select(Dataset).where(Dataset.owner_id == wb.user_id).order_by(Dataset.id.desc()).limit(limit).offset(offset)
    with wb.database.read() as session:
        rows = session.scalars(wanted).all()
        ids = [row.id for row in rows]
        projects = lookup.count_projects(session, "dataset", ids)
        inspections = lookup.inspection_runs(session, ids)
        return tuple(dataset_view(row, projects.get(row.id, 0), inspections.get(row.id, "")) for row in rows)


def count_datasets(wb: Workbench) -> int:
    with wb.database.read() as session:
        return session.scalars(select(func.count()).select_from(Dataset).where(Dataset.owner_id == wb.user_id)).one()


def get_dataset(wb: Workbench, dataset_id: str) -> DatasetView:
    """Raises NotFoundError `dataset.not_found`."""
    with wb.database.read() as session:
        row = lookup.get_dataset_row(session, wb.user_id, dataset_id)
        projects = lookup.count_projects(session, "dataset", [row.id])
        inspections = lookup.inspection_runs(session, [row.id])
        return dataset_view(row, projects.get(row.id, 0), inspections.get(row.id, ""))


def add_dataset(wb: Workbench, path: Path, filename: str) -> DatasetView:
    """Take over the file at `path` (it is gone afterwards) and start looking into it."""
    dataset_id = adopt_file(wb, "dataset", path, clean_filename(filename))
    return get_dataset(wb, dataset_id)


def rename_dataset(wb: Workbench, dataset_id: str, name: str) -> DatasetView:
    """Raises WorkbenchError `name.invalid`, NotFoundError `dataset.not_found`."""
    cleaned = clean_name(name)
    with wb.database.write() as session:
        lookup.get_dataset_row(session, wb.user_id, dataset_id).name = cleaned
    return get_dataset(wb, dataset_id)


def delete_dataset(wb: Workbench, dataset_id: str) -> None:
    """Raises ConflictError `dataset.in_use` while projects use it."""
    view = get_dataset(wb, dataset_id)
    if view.state == "inspecting" and not view.projects:
        wb.queue.cancel(view.run_id)
    with wb.database.write() as session:
        row = lookup.get_dataset_row(session, wb.user_id, dataset_id)
        lookup.refuse_when_used(session, "dataset", row.id, row.name)
        session.delete(row)


def thumbnail(wb: Workbench, dataset_id: str, n: int) -> Path:
    """The picture of sample `n`. Raises NotFoundError `dataset.no_thumbnail`."""
    with wb.database.read() as session:
        files = lookup.get_dataset_row(session, wb.user_id, dataset_id).files or {}
    sha256 = files.get(f"thumb-{n}.jpg")
    if sha256 is None:
        raise NotFoundError("dataset.no_thumbnail", f"This dataset has no picture of sample {n}.", where=dataset_id)
    return wb.blobs.path(sha256)
