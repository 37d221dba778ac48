"""Bring a database, new or old, to the schema of this version: our tables by Alembic, the job tables by DBOS."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from dbos import DBOS
from sqlalchemy import func, select

from app.assets import MIGRATIONS
from app.settings import Settings
from app.storage.database import Database, ensure_local_user

MIGRATION_LOCK = 0x1278
"""Any number of our own: two processes that start together migrate one after the other."""


def migrate(settings: Settings) -> None:
    """Create the data folder and the tables, or upgrade them. Repeating it, also from two processes at once, is safe."""
    for folder in (settings.data, settings.blobs, settings.incoming, settings.work):
        folder.mkdir(parents=True, exist_ok=True)
    database = Database(settings.sqlalchemy_url)
    try:
        upgrade(database)
        DBOS.migrate(database.url.set(drivername=database.url.get_backend_name()).render_as_string(hide_password=False))
        with database.write() as session:
            ensure_local_user(session)
    finally:
        database.close()


def upgrade(database: Database, revision: str = "head") -> None:
    with database.immediate() as connection:
        if not database.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))  # BEGIN IMMEDIATE does this on SQLite
        command.upgrade(alembic_config(connection), revision)


def alembic_config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
