"""The schema is the sum of the migrations, and setting up twice changes nothing."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import inspect, text

from app.settings import Settings
from app.storage.database import Database
from app.storage.migration import alembic_config, migrate, upgrade
from app.storage.tables import Base


def ddl(database: Database) -> dict[str, str]:
    """Our tables and indices -> the statement that made them, without white space and order of constraints."""
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    with database.engine.connect() as connection:
        return {
            name: " ".join(sorted("".join(sql.split()).replace(")", "").split(","))) for name, sql in connection.execute(query)
        }


def test_schema_is_the_sum_of_the_migrations(tmp_path: Path) -> None:
    migrated, declared = (Database(f"sqlite:///{tmp_path / name}") for name in ("migrated", "declared"))
    upgrade(migrated)
    with declared.immediate() as connection:
        Base.metadata.create_all(connection)
    assert ddl(migrated) == ddl(declared)
    with migrated.immediate() as connection:
        command.check(alembic_config(connection))
    for database in (migrated, declared):
        database.close()


def test_fresh_and_repeated_setup(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    tables = set(inspect(database.engine).get_table_names())
    assert {"run", "stage_event", "workflow_status", "operation_outputs"} <= tables
    before = ddl(database)
    migrate(settings)
    assert ddl(database) == before
    with database.immediate() as connection:
        command.check(alembic_config(connection))  # does not propose to drop what DBOS keeps beside us
    database.close()


def test_event_ids_are_never_used_twice(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test'}")
    upgrade(database)
    assert "AUTOINCREMENT" in ddl(database)["stage_event"]
    database.close()
