"""Uploads that have not come completely. The bytes themselves go to /uploads, in the tus protocol."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.dependencies import Wb, refusals
from app.services import uploads
from app.services.lookup import Asset
from app.services.views import UploadView

router = APIRouter(prefix="/uploads", tags=["Uploads"])


@router.get("")
def list_uploads(wb: Wb, kind: Asset | None = None) -> tuple[UploadView, ...]:
    """Those that can go on where they stopped, newest first."""
    return uploads.list_unfinished(wb, kind)


@router.get("/{upload_id}", responses=refusals(404))
def get_upload(wb: Wb, upload_id: str) -> UploadView:
    """How much has come; once complete, `result_id` is the model or dataset it became."""
    return uploads.get_upload(wb, upload_id)


@router.delete("/{upload_id}", status_code=204, responses=refusals(404))
def abort_upload(wb: Wb, upload_id: str) -> None:
    """Forget it and its bytes."""
    uploads.abort_upload(wb, upload_id)
