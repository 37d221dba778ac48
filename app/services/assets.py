"""What models and datasets have in common: they are listed, looked at, renamed and deleted in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import func, select

from app.services import lookup
from app.services.context import Workbench
from app.services.names import clean_name
from app.services.views import DatasetView, ModelView
from app.storage.tables import Dataset, Model

Row = TypeVar("Row", Model, Dataset)
View = TypeVar("View", ModelView, DatasetView)


@dataclass(frozen=True)
class Kind(Generic[Row, View]):
    asset: lookup.Asset
    table: type[Row]
    view: Callable[[Row, int, str], View]
    """Of a row, the number of its projects and its inspection's run."""


def list_assets(wb: Workbench, kind: Kind[Row, View], limit: int | None, offset: int) -> tuple[View, ...]:
    """The user's, newest first: all, or `limit` of them from `offset` on."""
    table = kind.table
    wanted = select(table).where(table.owner_id == wb.user_id).order_by(table.id.desc()).limit(limit).offset(offset)
    with wb.database.read() as session:
        rows = session.scalars(wanted).all()
        ids = [row.id for row in rows]
        projects = lookup.count_projects(session, kind.asset, ids)
        inspections = lookup.inspection_runs(session, ids)
        return tuple(kind.view(row, projects.get(row.id, 0), inspections.get(row.id, "")) for row in rows)


def count_assets(wb: Workbench, kind: Kind[Row, View]) -> int:
    with wb.database.read() as session:
        mine = select(func.count()).select_from(kind.table).where(kind.table.owner_id == wb.user_id)
        return session.scalars(mine).one()


def get_asset(wb: Workbench, kind: Kind[Row, View], asset_id: str) -> View:
    """Raises NotFoundError `….not_found`."""
    with wb.database.read() as session:
        row = lookup.get_row(session, kind.table, kind.asset, wb.user_id, asset_id)
        projects = lookup.count_projects(session, kind.asset, [row.id])
        inspections = lookup.inspection_runs(session, [row.id])
        return kind.view(row, projects.get(row.id, 0), inspections.get(row.id, ""))


def rename_asset(wb: Workbench, kind: Kind[Row, View], asset_id: str, name: str) -> View:
    """Raises WorkbenchError `name.invalid`, NotFoundError `….not_found`."""
    cleaned = clean_name(name)
    with wb.database.write() as session:
        lookup.get_row(session, kind.table, kind.asset, wb.user_id, asset_id).name = cleaned
    return get_asset(wb, kind, asset_id)


def delete_asset(wb: Workbench, kind: Kind[Row, View], asset_id: str) -> None:
    """Raises ConflictError `….in_use` while projects use it. An inspection under way is cancelled."""
    view = get_asset(wb, kind, asset_id)
    if view.state == "inspecting" and not view.projects:
        wb.queue.cancel(view.run_id)
    with wb.database.write() as session:
        row = lookup.get_row(session, kind.table, kind.asset, wb.user_id, asset_id)
        lookup.refuse_when_used(session, kind.asset, row.id, row.name)
        session.delete(row)
