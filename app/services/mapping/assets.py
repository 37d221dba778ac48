"""Models and datasets."""

from __future__ import annotations

import math
from typing import Any, cast

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription
from app.services.mapping.parsed import parsed
from app.services.views import AssetState, DatasetView, ErrorView, ModelView
from app.storage.tables import Dataset, Model

USUAL_DISCORDANT = 0.012
"""Share of images whose correctness usually changes under INT8: 0.6 % lost, 0.6 % gained (MobileNet-v2, accuracy.md §5.4)."""


def error_view(data: dict[str, Any] | None) -> ErrorView | None:
    if data is None:
        return None
    return ErrorView(data["code"], data["message"], data.get("where", ""), data.get("hint", ""))


def certifiable_points(labelled: int) -> float | None:
    """95 % half-width of a paired drop at the usual rates when nothing is lost net: 196 sqrt(p / n), in points."""
    return 196 * math.sqrt(USUAL_DISCORDANT / labelled) if labelled else None


def model_view(row: Model, projects: int, run_id: str) -> ModelView:
    return ModelView(
        id=row.id,
        name=row.name,
        state=cast("AssetState", row.state),
        size_bytes=row.size_bytes,
        sha256=row.sha256 or "",
        created_at=row.created_at,
        description=None if row.description is None else parsed(ModelDescription, row.id, row.description),
        error=error_view(row.error),
        run_id=run_id,
        projects=projects,
    )


def dataset_view(row: Dataset, projects: int, run_id: str) -> DatasetView:
    description = None if row.description is None else parsed(DatasetDescription, row.id, row.description)
    return DatasetView(
        id=row.id,
        name=row.name,
        state=cast("AssetState", row.state),
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        description=description,
        error=error_view(row.error),
        run_id=run_id,
        projects=projects,
        certifiable_points=None if description is None else certifiable_points(description.labelled),
    )
