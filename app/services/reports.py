"""The report of a project: one self-contained HTML file with the words and numbers of the pages."""

from __future__ import annotations

from collections.abc import Sequence

from app.services.context import Workbench


def project_report(wb: Workbench, project_id: str, variant_ids: Sequence[str] = ()) -> str:
    """HTML of the comparison of these variants (all when empty). Raises NotFoundError."""
    raise NotImplementedError
