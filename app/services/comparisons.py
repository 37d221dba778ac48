"""Variants of a project side by side."""

from __future__ import annotations

from collections.abc import Sequence

from app.services.context import Workbench
from app.services.views import ComparisonView


def compare(wb: Workbench, project_id: str, variant_ids: Sequence[str] = (), against: str = "") -> ComparisonView:
    """Compare these variants (all when empty) against one of them (the original when empty).

    Raises NotFoundError `project.not_found`, `variant.not_found`.
    """
    raise NotImplementedError
