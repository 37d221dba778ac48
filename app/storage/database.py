"""The engine and its two kinds of session: short consistent reads, and writes that are durable when they return.

SQLite (reliability.md §1, facts 10 and 11): `synchronous=FULL`, since NORMAL does not sync a commit; every write starts with
`BEGIN IMMEDIATE`, since a read that turns into a write fails with "locked" whatever the timeout; WAL only from 3.51.3 on,
since older versions can corrupt it when two connections checkpoint at once, else a truncated rollback journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.errors import UnavailableError
from app.storage.ids import new_id
from app.storage.tables import User, utc_now

BUSY_TIMEOUT_MS = 10_000
FIRST_SAFE_WAL = (3, 51, 3)
LOCAL_USER = "local"


def journal_mode(sqlite_version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    return "WAL" if sqlite_version >= FIRST_SAFE_WAL else "TRUNCATE"


class Database:
    """One database, SQLite or PostgreSQL. Make it after a fork, never before."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = create_engine(self.url, pool_pre_ping=not self.is_sqlite)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _open_for_sessions)
            event.listen(self.engine, "begin", _begin)
        self._writer = self.engine.execution_options(immediate=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the database. What it is asked to write is an error; keep it short.

        Raises:
            UnavailableError: `database.busy`, `database.unreachable`.
        """
        with _explained(), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session
            changed = [*session.new, *session.dirty, *session.deleted]
            if changed:
                raise RuntimeError(f"Database.read() is for reading, but {changed[0]!r} changed. Use Database.write().")

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back when it raises.

        Raises:
            UnavailableError: `database.busy` when another writer held the database for 10 s, `database.unreachable`.
        """
        with _explained(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            session.connection()  # begins now: the block runs under the write lock from its first line
            yield session

    @contextmanager
    def immediate(self) -> Iterator[Connection]:
        """The same as `write` without the ORM: for migrations."""
        with _explained(), self._writer.begin() as connection:
            yield connection

    def job_engine(self) -> Engine:
        """An engine for DBOS on the same database: its own way to begin transactions, our durability."""
        if not self.is_sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        engine = create_engine(self.url)
        event.listen(engine, "connect", _open_for_jobs)
        return engine

    def close(self) -> None:
        self.engine.dispose()


def insert_new(session: Session, table: Any, **values: Any) -> bool:
    """Insert a row unless one with the same key exists; whether it was inserted."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    inserted = session.connection().execute(statement.returning(*table.__table__.primary_key))  # PostgreSQL tells no row count
    return inserted.first() is not None


def ensure_local_user(session: Session) -> str:
    """The id of the one user of an installation without accounts."""
    insert_new(session, User, id=new_id(), name=LOCAL_USER, created_at=utc_now())
    return session.scalars(select(User.id).where(User.name == LOCAL_USER)).one()


def _open_for_sessions(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin` does
    _set_pragmas(connection)


def _open_for_jobs(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"
    _set_pragmas(connection)


def _set_pragmas(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_mode = {journal_mode()}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.execute(text("BEGIN IMMEDIATE" if immediate else "BEGIN"))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "database is locked" in str(error.orig):
            raise UnavailableError(
                "database.busy",
                f"The database was locked by another program for {BUSY_TIMEOUT_MS // 1000} s.",
                hint="Try again in a moment.",
            ) from error
        if error.connection_invalidated or "connect" in str(error.orig):
            raise UnavailableError("database.unreachable", "The database does not answer.", hint="Try again later.") from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise UnavailableError("database.unreachable", "The database does not answer.", hint="Try again later.") from error
        raise
