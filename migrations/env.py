"""Runs the migrations on the connection that `app.storage.migration` opened, inside its transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from app.storage.tables import Base, UtcDateTime


def include_name(name: str | None, type_: str, _parents: Any) -> bool:
    """Only our own tables: DBOS keeps its tables in the same database, and autogenerate would drop them."""
    return type_ != "table" or name in Base.metadata.tables


def render_item(type_: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """Migrations must not import the application: what it defines changes, what they did does not."""
    return "sa.DateTime(timezone=True)" if type_ == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=include_name,
    render_item=render_item,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
