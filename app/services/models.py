"""Models: what was uploaded, what was understood of it."""

from __future__ import annotations

from pathlib import Path

from app.services import assets
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.mapping.assets import model_view
from app.services.names import clean_filename
from app.services.views import ModelView
from app.storage.tables import Model

KIND = assets.Kind("model", Model, model_view)


def list_models(wb: Workbench, *, limit: int | None = None, offset: int = 0) -> tuple[ModelView, ...]:
    """The user's models, newest first: all, or `limit` of them from `offset` on."""
    return assets.list_assets(wb, KIND, limit, offset)


def count_models(wb: Workbench) -> int:
    """How many `list_models` has in all."""
    return assets.count_assets(wb, KIND)


def get_model(wb: Workbench, model_id: str) -> ModelView:
    """Raises NotFoundError `model.not_found`."""
    return assets.get_asset(wb, KIND, model_id)


def add_model(wb: Workbench, path: Path, filename: str) -> ModelView:
    """Take over the file at `path` (it is gone afterwards) and start looking into it."""
    return get_model(wb, adopt_file(wb, "model", path, clean_filename(filename)))


def rename_model(wb: Workbench, model_id: str, name: str) -> ModelView:
    """Raises WorkbenchError `name.invalid`, NotFoundError `model.not_found`."""
    return assets.rename_asset(wb, KIND, model_id, name)


def delete_model(wb: Workbench, model_id: str) -> None:
    """Raises ConflictError `model.in_use` while projects use it."""
    assets.delete_asset(wb, KIND, model_id)
