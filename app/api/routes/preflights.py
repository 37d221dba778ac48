"""Preflights: how images become inputs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse

from app.api.dependencies import Wb, refusals
from app.api.schemas import NewPreflight, PreflightAnswer
from app.services import preflights
from app.services.views import RunView

router = APIRouter(prefix="/preflights", tags=["Preflights"])


@router.post("", status_code=202, responses=refusals(404, 409, 422))
def start_preflight(wb: Wb, body: NewPreflight) -> RunView:
    """Try the usual ways to prepare images on some dozens of samples, or check one that is given."""
    return preflights.start_preflight(
        wb,
        body.model_id,
        body.dataset_id,
        fixed=body.fixed,
        label_offset=body.label_offset,
        height=body.height,
        width=body.width,
    )


@router.get("/{run_id}", responses=refusals(404))
def get_preflight(wb: Wb, run_id: str) -> PreflightAnswer:
    """The run and, once it has succeeded, what was tried and what is proposed."""
    view = preflights.get_preflight(wb, run_id)
    return PreflightAnswer(view.run, view.result, view.previews)


@router.get("/{run_id}/previews/{name}", response_class=FileResponse, responses=refusals(404))
def get_preview(wb: Wb, run_id: str, name: str) -> FileResponse:
    """The picture of a sample as the model receives it."""
    media_type = "image/png" if name.endswith(".png") else "image/jpeg"
    return FileResponse(preflights.preview(wb, run_id, name), media_type=media_type)
