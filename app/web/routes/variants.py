"""Downloads of a variant."""

from __future__ import annotations

import json

from fastapi import APIRouter
from starlette.responses import Response

from app.engine.records import to_json
from app.errors import NotFoundError
from app.services import projects, reports, variants
from app.web.dependencies import Wb
from app.web.downloads import attachment, send_file

router = APIRouter(prefix="/variants", include_in_schema=False)


@router.get("/{variant_id}/model.onnx")
def download_model(wb: Wb, variant_id: str) -> Response:
    return send_file(variants.model_file(wb, variant_id))


@router.get("/{variant_id}/package.zip")
def download_package(wb: Wb, variant_id: str) -> Response:
    return send_file(variants.package(wb, variant_id))


@router.get("/{variant_id}/recipe.json")
def download_recipe(wb: Wb, variant_id: str) -> Response:
    variant = variants.get_variant(wb, variant_id)
    if variant.recipe is None:
        raise NotFoundError(
            "variant.no_recipe",
            f"{variant.name} is the original: no recipe made it.",
            hint="Download an INT8 variant's recipe.",
        )
    text = json.dumps(to_json(variant.recipe), indent=2, ensure_ascii=False)
    return attachment(text, f"{variant.name} recipe.json", "application/json")


@router.get("/{variant_id}/report.html")
def download_report(wb: Wb, variant_id: str) -> Response:
    """The variant beside the original."""
    variant = variants.get_variant(wb, variant_id)
    original = projects.get_project(wb, variant.project_id).original
    html = reports.project_report(wb, variant.project_id, tuple(dict.fromkeys((original.id, variant.id))))
    return attachment(html, f"{variant.name} report.html", "text/html; charset=utf-8")
