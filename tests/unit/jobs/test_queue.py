"""A run and its job are one thing; users take turns; a cancelled job is never taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from app.jobs.queue import JobQueue
from app.storage.database import Database
from app.storage.ids import new_id
from app.storage.tables import Run


@pytest.fixture
def queue(database: Database) -> Iterator[JobQueue]:
    queue = JobQueue(database)
    yield queue
    queue.close()


def enqueue(database: Database, queue: JobQueue, owner: str, kind: str = "baseline") -> str:
    run = Run(id=new_id(), owner_id=owner, kind=kind)
    with database.write() as session:
        queue.enqueue(session, run)
    return run.id


def state(database: Database, run_id: str) -> str:
    with database.read() as session:
        return session.scalars(select(Run.state).where(Run.id == run_id)).one()


def test_run_and_job_are_committed_together(database: Database, queue: JobQueue) -> None:
    run_id = enqueue(database, queue, "alice")
    assert state(database, run_id) == "queued"
    assert queue.states([run_id]) == {run_id: "ENQUEUED"}


def test_run_and_job_are_rolled_back_together(database: Database, queue: JobQueue) -> None:
    run = Run(id=new_id(), owner_id="alice", kind="baseline")

    def fail_before_commit() -> None:
        with database.write() as session:
            queue.enqueue(session, run)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_before_commit()
    with database.read() as session:
        assert session.scalars(select(Run)).all() == []
    assert queue.states([run.id]) == {}
    assert queue.waiting() == ()


def test_users_take_turns(database: Database, queue: JobQueue) -> None:
    names = {}
    for owner, count in (("alice", 4), ("bob", 2), ("carol", 1)):
        for number in range(1, count + 1):
            names[enqueue(database, queue, owner)] = f"{owner[0]}{number}"
    assert [names[run_id] for run_id in queue.waiting()] == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_light_jobs_do_not_wait_behind_heavy_ones(database: Database, queue: JobQueue) -> None:
    heavy, light = enqueue(database, queue, "alice"), enqueue(database, queue, "alice", "inspect-model")
    assert queue.waiting() == (light, heavy)


def test_a_cancelled_job_is_not_taken_and_stays_cancelled(database: Database, queue: JobQueue) -> None:
    run_id = enqueue(database, queue, "alice")
    assert queue.cancel(run_id) is True
    assert state(database, run_id) == "cancelled"
    assert queue.waiting() == ()
    assert queue.states([run_id]) == {run_id: "CANCELLED"}
    assert queue.cancel(run_id) is False
    assert queue.cancel(new_id()) is False
