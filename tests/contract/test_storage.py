"""What storage and queue promise, on every database they run on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, select

from app.jobs.lifecycle import begin_run
from app.jobs.queue import JobQueue
from app.settings import Settings
from app.storage.blobs import BlobFacts, BlobStore
from app.storage.database import Database, ensure_local_user, insert_new
from app.storage.garbage import forget_unnamed
from app.storage.ids import new_id
from app.storage.migration import alembic_config, migrate
from app.storage.tables import Blob, Run, StageEvent, User, utc_now
from tests.support.postgres import needs_postgres, postgres_server


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, needs_postgres])])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    return Settings(data=tmp_path, database_url=url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    yield database
    database.close()


@pytest.fixture
def owner(database: Database) -> str:
    with database.write() as session:
        return ensure_local_user(session)


def test_setting_up_twice_changes_nothing(settings: Settings, database: Database) -> None:
    tables = set(inspect(database.engine).get_table_names())
    migrate(settings)
    assert set(inspect(database.engine).get_table_names()) == tables
    with database.immediate() as connection:
        command.check(alembic_config(connection))


def test_two_processes_may_set_up_at_once(settings: Settings) -> None:
    failures: list[BaseException] = []

    def set_up() -> None:
        try:
            migrate(settings)
        except BaseException as error:  # noqa: BLE001 - any failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=set_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_times_and_json_come_back_as_they_were(database: Database, owner: str) -> None:
    run = Run(
        id=new_id(), owner_id=owner, kind="compare", params={"a": [1, 2.5, None, "é"], "b": {"c": True}}, started_at=utc_now()
    )
    expected = (run.params, run.started_at)
    with database.write() as session:
        session.add(run)
    with database.read() as session:
        found = session.get_one(Run, run.id)
        assert (found.params, found.started_at) == expected


def test_insert_new_inserts_once(database: Database) -> None:
    row = {"sha256": new_id(), "size_bytes": 2**40, "created_at": utc_now()}
    with database.write() as session:
        assert [insert_new(session, Blob, **row) for _ in range(2)] == [True, False]


def test_events_follow_each_other(database: Database, owner: str) -> None:
    run = Run(id=new_id(), owner_id=owner, kind="compare")
    with database.write() as session:
        session.add(run)
        session.flush()
        session.add_all(StageEvent(run_id=run.id, stage=str(number), attempt=1, kind="log") for number in range(5))
    with database.read() as session:
        rows = session.scalars(select(StageEvent).where(StageEvent.run_id == run.id).order_by(StageEvent.id))
        assert [row.stage for row in rows] == list("01234")


def test_deleting_a_run_deletes_its_events(database: Database, owner: str) -> None:
    run = Run(id=new_id(), owner_id=owner, kind="compare")
    with database.write() as session:
        session.add(run)
        session.flush()
        session.add(StageEvent(run_id=run.id, stage="A", attempt=1, kind="log"))
    with database.write() as session:
        session.delete(session.get_one(Run, run.id))
    with database.read() as session:
        assert session.scalars(select(StageEvent).where(StageEvent.run_id == run.id)).all() == []


def test_run_and_job_are_one(database: Database, owner: str) -> None:
    queue = JobQueue(database)
    kept, dropped = (Run(id=new_id(), owner_id=owner, kind="compare") for _ in range(2))
    with database.write() as session:
        queue.enqueue(session, kept)

    def roll_back() -> None:
        with database.write() as session:
            queue.enqueue(session, dropped)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll_back()
    assert queue.states([kept.id, dropped.id]) == {kept.id: "ENQUEUED"}
    assert queue.cancel(kept.id) is True
    assert queue.states([kept.id]) == {kept.id: "CANCELLED"}
    assert begin_run(database, kept.id, "nobody") is None
    queue.close()


def test_blobs_are_recorded_swept_and_collected(settings: Settings, database: Database) -> None:
    store = BlobStore(settings.blobs)
    facts: list[BlobFacts] = []
    for name in ("recorded", "not recorded"):
        (settings.data / name).write_text(name)
        facts.append(store.add_file(settings.data / name))
    with database.write() as session:
        store.record(session, facts[0])
    assert store.sweep(database, older_than_s=-1) == 1
    assert store.exists(facts[0].sha256)
    assert not store.exists(facts[1].sha256)
    assert forget_unnamed(database) == 0


def test_the_local_user_is_one(database: Database, owner: str) -> None:
    with database.write() as session:
        assert ensure_local_user(session) == owner
        assert session.scalars(select(User).where(User.name == "local")).one().id == owner
