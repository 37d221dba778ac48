"""Sessions: durable writes, consistent reads, a locked database said as one."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.errors import UnavailableError
from app.storage import database as module
from app.storage.database import Database, ensure_local_user, insert_new, journal_mode
from app.storage.ids import new_id
from app.storage.migration import upgrade
from app.storage.tables import Blob, User, utc_now


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    upgrade(database)
    return database


def test_each_connection_is_durable_and_checks_foreign_keys(database: Database) -> None:
    for engine in (database.engine, database.job_engine()):
        with engine.connect() as connection:
            pragmas = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "foreign_keys")}
            assert pragmas == {"synchronous": 2, "foreign_keys": 1}
            assert str(connection.execute(text("PRAGMA journal_mode")).scalar()).upper() == journal_mode()
        engine.dispose()


def test_wal_only_where_it_cannot_corrupt() -> None:
    assert journal_mode((3, 51, 2)) == "TRUNCATE"
    assert journal_mode((3, 51, 3)) == "WAL"


def test_write_commits_at_the_end_and_rolls_back_on_an_exception(database: Database) -> None:
    with database.write() as session:
        session.add(User(name="ada"))

    def write_and_fail() -> None:
        with database.write() as session:
            session.add(User(name="bob"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with database.read() as session:
        assert list(session.scalars(select(User.name))) == ["ada"]


def test_writing_in_a_read_session_is_a_mistake_of_ours(database: Database) -> None:
    with pytest.raises(RuntimeError, match="for reading"), database.read() as session:
        session.add(User(name="eve"))


def test_a_write_transaction_holds_the_lock_from_its_start(database: Database) -> None:
    """Read-then-write would fail with BUSY_SNAPSHOT if it began deferred; here the second writer waits and sees the first."""
    first_reads, second_began = threading.Event(), threading.Event()
    seen: list[int] = []

    def count_and_add(name: str, entered: threading.Event, wait_for: threading.Event | None) -> None:
        with database.write() as session:
            entered.set()
            if wait_for:
                assert not wait_for.wait(0.2)  # the other cannot have entered
            seen.append(len(session.scalars(select(User)).all()))
            session.add(User(name=name))

    first = threading.Thread(target=count_and_add, args=("first", first_reads, second_began))
    first.start()
    first_reads.wait()
    count_and_add("second", second_began, None)
    first.join()
    assert seen == [0, 1]


def test_a_foreign_lock_is_said_as_busy(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    impatient = Database(str(database.url))
    foreign = sqlite3.connect(tmp_path / "test.sqlite3", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="locked") as caught, impatient.write() as session:
        session.add(User(name="late"))
    assert (caught.value.code, caught.value.status) == ("database.busy", 503)
    foreign.execute("ROLLBACK")
    with impatient.write() as session:
        session.add(User(name="in time"))
    foreign.close()


def test_local_user_is_made_once(database: Database) -> None:
    ids = set()
    for _ in range(3):
        with database.write() as session:
            ids.add(ensure_local_user(session))
    assert len(ids) == 1


def test_insert_new_says_whether_it_inserted(database: Database) -> None:
    row = {"sha256": "a" * 64, "size_bytes": 1, "created_at": utc_now()}
    with database.write() as session:
        assert insert_new(session, Blob, **row) is True
        assert insert_new(session, Blob, **row | {"size_bytes": 2}) is False
        assert session.scalars(select(Blob.size_bytes)).all() == [1]


def test_times_come_back_in_utc(database: Database) -> None:
    before = utc_now()
    with database.write() as session:
        session.add(User(id=new_id(), name="ada"))
    with database.read() as session:
        created = session.scalars(select(User.created_at)).one()
    assert before <= created <= utc_now()
