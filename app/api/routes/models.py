"""Models."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.dependencies import Limit, Offset, Wb, refusals
from app.api.schemas import Rename
from app.services import models
from app.services.views import ModelView

router = APIRouter(prefix="/models", tags=["Models"])


@router.get("")
def list_models(wb: Wb, limit: Limit = None, offset: Offset = 0) -> tuple[ModelView, ...]:
    """All models, newest first. Upload one with tus at /uploads (kind "model")."""
    return models.list_models(wb, limit=limit, offset=offset)


@router.get("/{model_id}", responses=refusals(404))
def get_model(wb: Wb, model_id: str) -> ModelView:
    """What was understood of it, or why it was refused."""
    return models.get_model(wb, model_id)


@router.patch("/{model_id}", responses=refusals(404, 422))
def rename_model(wb: Wb, model_id: str, body: Rename) -> ModelView:
    """Give it another name."""
    return models.rename_model(wb, model_id, body.name)


@router.delete("/{model_id}", status_code=204, responses=refusals(404, 409))
def delete_model(wb: Wb, model_id: str) -> None:
    """Refused while projects use it."""
    models.delete_model(wb, model_id)
