"""Variants: look at one, download it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse

from app.api.dependencies import Wb, refusals
from app.api.files import send_file
from app.engine.quantize.recipe import Recipe
from app.errors import NotFoundError
from app.services import variants
from app.services.views import VariantView

router = APIRouter(prefix="/variants", tags=["Variants"])


@router.get("/{variant_id}", responses=refusals(404))
def get_variant(wb: Wb, variant_id: str) -> VariantView:
    """With its measurements and verdicts."""
    return variants.get_variant(wb, variant_id)


@router.get("/{variant_id}/model", response_class=FileResponse, responses=refusals(404))
def get_model_file(wb: Wb, variant_id: str) -> FileResponse:
    """The ONNX file."""
    return send_file(variants.model_file(wb, variant_id))


@router.get("/{variant_id}/package", response_class=FileResponse, responses=refusals(404))
def get_package(wb: Wb, variant_id: str) -> FileResponse:
    """A zip with the model, its preprocessing, recipe and report, and a script that runs it."""
    return send_file(variants.package(wb, variant_id))


@router.get("/{variant_id}/recipe", responses=refusals(404))
def get_recipe(wb: Wb, variant_id: str) -> Recipe:
    """Everything that was decided to make it."""
    variant = variants.get_variant(wb, variant_id)
    if variant.recipe is None:
        message = f"{variant.name} is the original: no recipe made it."
        raise NotFoundError("variant.no_recipe", message, where=variant_id, hint="Ask for an INT8 variant's recipe.")
    return variant.recipe
