"""Datasets."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse

from app.api.dependencies import Limit, Offset, Wb, refusals
from app.api.schemas import Rename
from app.services import datasets
from app.services.views import DatasetView

router = APIRouter(prefix="/datasets", tags=["Datasets"])


@router.get("")
def list_datasets(wb: Wb, limit: Limit = None, offset: Offset = 0) -> tuple[DatasetView, ...]:
    """All datasets, newest first. Upload one with tus at /uploads (kind "dataset")."""
    return datasets.list_datasets(wb, limit=limit, offset=offset)


@router.get("/{dataset_id}", responses=refusals(404))
def get_dataset(wb: Wb, dataset_id: str) -> DatasetView:
    """What was understood of it, or why it was refused."""
    return datasets.get_dataset(wb, dataset_id)


@router.get("/{dataset_id}/thumbnails/{n}", response_class=FileResponse, responses=refusals(404))
def get_thumbnail(wb: Wb, dataset_id: str, n: int) -> FileResponse:
    """JPEG of sample n; `description.thumbnails` says which samples have one."""
    return FileResponse(datasets.thumbnail(wb, dataset_id, n), media_type="image/jpeg")


@router.patch("/{dataset_id}", responses=refusals(404, 422))
def rename_dataset(wb: Wb, dataset_id: str, body: Rename) -> DatasetView:
    """Give it another name."""
    return datasets.rename_dataset(wb, dataset_id, body.name)


@router.delete("/{dataset_id}", status_code=204, responses=refusals(404, 409))
def delete_dataset(wb: Wb, dataset_id: str) -> None:
    """Refused while projects use it."""
    datasets.delete_dataset(wb, dataset_id)
