"""Datasets: list with uploads, one dataset with its pictures, rename, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from app.errors import WorkbenchError
from app.services import datasets, uploads
from app.web.dependencies import Wb
from app.web.flash import Flash
from app.web.pages.confirm import Confirmation
from app.web.pages.datasets import dataset_page, datasets_page
from app.web.pages.parts import part_of
from app.web.routes.models import in_use
from app.web.routes.static import FOR_EVER
from app.web.templating import render

router = APIRouter(prefix="/datasets", include_in_schema=False)

SHOWN = 20


@router.get("")
def show_datasets(request: Request, wb: Wb) -> Response:
    part = part_of("/datasets", request.query_params.get("page", ""), datasets.count_datasets(wb), SHOWN, "dataset")
    shown = datasets.list_datasets(wb, limit=part.size, offset=part.offset)
    page = datasets_page(shown, part, uploads.list_unfinished(wb, "dataset"), wb.settings.max_dataset_bytes)
    return render(request, "pages/datasets.html", page, block="assets")


@router.get("/{dataset_id}")
def show_dataset(request: Request, wb: Wb, dataset_id: str) -> Response:
    return render(request, "pages/dataset.html", dataset_page(datasets.get_dataset(wb, dataset_id)), block="asset")


@router.get("/{dataset_id}/thumbnails/{n}")
def thumbnail(wb: Wb, dataset_id: str, n: int) -> Response:
    """A dataset never changes, so its pictures may be kept; they were encoded anew by our own child, never by the uploader."""
    path = datasets.thumbnail(wb, dataset_id, n)
    headers = {"Cache-Control": FOR_EVER.replace("public", "private")}
    return FileResponse(path, media_type="image/jpeg", headers=headers)


@router.post("/{dataset_id}/rename")
def rename(request: Request, wb: Wb, dataset_id: str, name: Annotated[str, Form()] = "") -> Response:
    try:
        datasets.rename_dataset(wb, dataset_id, name)
    except WorkbenchError as error:
        if error.code != "name.invalid":
            raise
        page = dataset_page(datasets.get_dataset(wb, dataset_id), name=name, name_error=f"{error.message} {error.hint}")
        return render(request, "pages/dataset.html", page, block="asset", status=422)
    return RedirectResponse(f"/datasets/{dataset_id}", 303)


@router.get("/{dataset_id}/delete")
def confirm_delete(request: Request, wb: Wb, dataset_id: str) -> Response:
    dataset = datasets.get_dataset(wb, dataset_id)
    page = Confirmation(
        section="Datasets",
        title=f"Delete {dataset.name}?",
        text="The images go for good.",
        blocked=f"It cannot be deleted while {in_use(dataset.projects)}." if dataset.projects else "",
        verb="Delete",
        action=f"/datasets/{dataset_id}/delete",
        back=f"/datasets/{dataset_id}",
    )
    return render(request, "pages/confirm.html", page)


@router.post("/{dataset_id}/delete")
def delete(wb: Wb, dataset_id: str) -> Response:
    name = datasets.get_dataset(wb, dataset_id).name
    datasets.delete_dataset(wb, dataset_id)
    response = RedirectResponse("/datasets", 303)
    Flash("good", f"{name} was deleted.").add_to(response)
    return response
