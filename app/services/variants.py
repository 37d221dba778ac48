"""Variants: look at one, download its file or the package around it."""

from __future__ import annotations

from app.services.context import Workbench
from app.services.views import Download, VariantView


def get_variant(wb: Workbench, variant_id: str) -> VariantView:
    """Raises NotFoundError `variant.not_found`."""
    raise NotImplementedError


def model_file(wb: Workbench, variant_id: str) -> Download:
    """The ONNX file."""
    raise NotImplementedError


def package(wb: Workbench, variant_id: str) -> Download:
    """A zip: model.onnx, preprocessing.json, recipe.json, report.html, run_model.py, labels.txt. Same bytes each time.

    The file is temporary: the sender deletes it.
    """
    raise NotImplementedError
