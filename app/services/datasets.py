"""Datasets: what was uploaded, what was understood of it."""

from __future__ import annotations

from pathlib import Path

from app.errors import NotFoundError
from app.services import assets, lookup
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.mapping.assets import dataset_view
from app.services.names import clean_filename
from app.services.views import DatasetView
from app.storage.tables import Dataset

KIND = assets.Kind("dataset", Dataset, dataset_view)


def list_datasets(wb: Workbench, *, limit: int | None = None, offset: int = 0) -> tuple[DatasetView, ...]:
    """The user's datasets, newest first: all, or `limit` of them from `offset` on."""
    return assets.list_assets(wb, KIND, limit, offset)


def count_datasets(wb: Workbench) -> int:
    """How many `list_datasets` has in all."""
    return assets.count_assets(wb, KIND)


def get_dataset(wb: Workbench, dataset_id: str) -> DatasetView:
    """Raises NotFoundError `dataset.not_found`."""
    return assets.get_asset(wb, KIND, dataset_id)


def add_dataset(wb: Workbench, path: Path, filename: str) -> DatasetView:
    """Take over the file at `path` (it is gone afterwards) and start looking into it."""
    return get_dataset(wb, adopt_file(wb, "dataset", path, clean_filename(filename)))


def rename_dataset(wb: Workbench, dataset_id: str, name: str) -> DatasetView:
    """Raises WorkbenchError `name.invalid`, NotFoundError `dataset.not_found`."""
    return assets.rename_asset(wb, KIND, dataset_id, name)


def delete_dataset(wb: Workbench, dataset_id: str) -> None:
    """Raises ConflictError `dataset.in_use` while projects use it."""
    assets.delete_asset(wb, KIND, dataset_id)


def thumbnail(wb: Workbench, dataset_id: str, n: int) -> Path:
    """The picture of sample `n`. Raises NotFoundError `dataset.no_thumbnail`."""
    with wb.database.read() as session:
        files = lookup.get_dataset_row(session, wb.user_id, dataset_id).files or {}
    sha256 = files.get(f"thumb-{n}.jpg")
    if sha256 is None:
        message = f"This dataset has no picture of sample {n}."
        hint = "description.thumbnails lists the samples that have one."
        raise NotFoundError("dataset.no_thumbnail", message, where=dataset_id, hint=hint)
    return wb.blobs.path(sha256)
