"""Preflight: find out how images become inputs, and show predictions beside labels."""

from __future__ import annotations

from pathlib import Path

from app.engine.preprocessing.pipeline import Preprocessing
from app.services.context import Workbench
from app.services.views import PreflightView, RunView


def start_preflight(
    wb: Workbench,
    model_id: str,
    dataset_id: str,
    *,
    fixed: Preprocessing | None = None,
    label_offset: int | None = None,
    height: int | None = None,
    width: int | None = None,
) -> RunView:
    """Try the usual ways to prepare images, or only `fixed`.

    Args:
        height, width: Needed when the model leaves them open.

    Raises:
        NotFoundError: `model.not_found`, `dataset.not_found`.
        ConflictError: `model.not_ready`, `dataset.not_ready`.
        WorkbenchError: `preflight.size`.
    """
    raise NotImplementedError


def get_preflight(wb: Workbench, run_id: str) -> PreflightView:
    """Raises NotFoundError `run.not_found`."""
    raise NotImplementedError


def preview(wb: Workbench, run_id: str, name: str) -> Path:
    """The picture of a sample as the model receives it. Raises NotFoundError `preflight.no_preview`."""
    raise NotImplementedError
