"""Models: what was uploaded, what was understood of it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from app.services import lookup
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.mapping.assets import model_view
from app.services.names import clean_filename, clean_name
from app.services.views import ModelView
from app.storage.tables import Model


def list_models(wb: Workbench, *, limit: int | None = None, offset: int = 0) -> tuple[ModelView, ...]:
    """The user's models, newest first: all, or `limit` of them from `offset` on."""
    wanted = select(Model).where(Model.owner_id == wb.user_id).order_by(Model.id.desc()).limit(limit).offset(offset)
    with wb.database.read() as session:
        rows = session.scalars(wanted).all()
        ids = [row.id for row in rows]
        projects = lookup.count_projects(session, "model", ids)
        inspections = lookup.inspection_runs(session, ids)
        return tuple(model_view(row, projects.get(row.id, 0), inspections.get(row.id, "")) for row in rows)


def count_models(wb: Workbench) -> int:
    with wb.database.read() as session:
        return session.scalars(select(func.count()).select_from(Model).where(Model.owner_id == wb.user_id)).one()


def get_model(wb: Workbench, model_id: str) -> ModelView:
    """Raises NotFoundError `model.not_found`."""
    with wb.database.read() as session:
        row = lookup.get_model_row(session, wb.user_id, model_id)
        projects = lookup.count_projects(session, "model", [row.id])
        inspections = lookup.inspection_runs(session, [row.id])
        return model_view(row, projects.get(row.id, 0), inspections.get(row.id, ""))


def add_model(wb: Workbench, path: Path, filename: str) -> ModelView:
    """Take over the file at `path` (it is gone afterwards) and start looking into it."""
    model_id = adopt_file(wb, "model", path, clean_filename(filename))
    return get_model(wb, model_id)


def rename_model(wb: Workbench, model_id: str, name: str) -> ModelView:
    """Raises WorkbenchError `name.invalid`, NotFoundError `model.not_found`."""
    cleaned = clean_name(name)
    with wb.database.write() as session:
        lookup.get_model_row(session, wb.user_id, model_id).name = cleaned
    return get_model(wb, model_id)


def delete_model(wb: Workbench, model_id: str) -> None:
    """Raises ConflictError `model.in_use` while projects use it."""
    view = get_model(wb, model_id)
    if view.state == "inspecting" and not view.projects:
        wb.queue.cancel(view.run_id)
    with wb.database.write() as session:
        row = lookup.get_model_row(session, wb.user_id, model_id)
        lookup.refuse_when_used(session, "model", row.id, row.name)
        session.delete(row)
