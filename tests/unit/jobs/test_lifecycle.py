"""Who may change a run's state, and when: a state machine with one owner at a time."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.errors import WorkbenchError
from app.jobs.lifecycle import RunOverError, begin_run, fail_run, finish_run, requeue_runs
from app.storage.database import Database
from app.storage.ids import new_id
from app.storage.tables import Comparison, Model, Run


def add_run(database: Database, kind: str = "compare", **values: Any) -> str:
    run = Run(id=new_id(), owner_id="alice", kind=kind, project_id="x", **values)
    with database.write() as session:
        session.add(run)
    return run.id


def get(database: Database, run_id: str) -> Run:
    with database.read() as session:
        return session.get_one(Run, run_id)


def nothing(_session: Session) -> dict[str, Any]:
    return {}


def test_from_queued_to_succeeded(database: Database) -> None:
    run_id = add_run(database)
    taken = begin_run(database, run_id, "mine")
    assert taken is not None
    assert (taken.state, taken.worker_id) == ("running", "mine")

    def commit(session: Session) -> dict[str, Any]:
        session.add(Comparison(project_id="x", run_id=run_id, data={}))
        return {"answer": 42}

    finish_run(database, run_id, "mine", commit)
    run = get(database, run_id)
    assert (run.state, run.result) == ("succeeded", {"answer": 42})
    assert run.created_at <= run.started_at <= run.finished_at  # type: ignore[operator]


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_what_is_over_is_not_begun_again(database: Database, state: str) -> None:
    assert begin_run(database, add_run(database, state=state), "mine") is None


def test_what_is_deleted_is_not_begun(database: Database) -> None:
    assert begin_run(database, new_id(), "mine") is None


def test_a_restart_keeps_when_it_began(database: Database) -> None:
    run_id = add_run(database)
    first, second = begin_run(database, run_id, "mine"), begin_run(database, run_id, "other")
    assert first is not None
    assert second is not None
    assert first.started_at == second.started_at


@pytest.mark.parametrize("change", [{"worker_id": "other"}, {"state": "cancelled"}, {"state": "queued"}, None])
@pytest.mark.parametrize("end", ["finish", "fail"])
def test_only_the_owner_of_a_running_run_ends_it(database: Database, end: str, change: dict[str, str] | None) -> None:
    """Taken over, cancelled, re-queued, deleted: nothing of the late worker's results is written."""
    run_id = add_run(database)
    begin_run(database, run_id, "mine")
    with database.write() as session:
        if change is None:
            session.delete(session.get_one(Run, run_id))
        else:
            session.execute(update(Run).where(Run.id == run_id).values(**change))

    def commit(session: Session) -> dict[str, Any]:
        session.add(Comparison(project_id="x", run_id=run_id, data={}))
        return {}

    ends = {
        "finish": lambda: finish_run(database, run_id, "mine", commit),
        "fail": lambda: fail_run(database, run_id, "mine", WorkbenchError("a.b", "c")),
    }
    with pytest.raises(RunOverError):
        ends[end]()
    with database.read() as session:
        assert session.scalars(select(Comparison)).all() == []
        run = session.get(Run, run_id)
        assert run is None or (run.result, run.error, run.finished_at) == (None, None, None)


def test_a_commit_that_fails_leaves_nothing(database: Database) -> None:
    run_id = add_run(database)
    begin_run(database, run_id, "mine")

    def commit(session: Session) -> dict[str, Any]:
        session.add(Comparison(project_id="x", run_id=run_id, data={}))
        session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finish_run(database, run_id, "mine", commit)
    assert get(database, run_id).state == "running"
    with database.read() as session:
        assert session.scalars(select(Comparison)).all() == []


def test_a_refused_inspection_refuses_the_model(database: Database) -> None:
    run_id = add_run(database, kind="inspect-model", subject_id="x")
    begin_run(database, run_id, "mine")
    error = WorkbenchError("model.empty", "The file has 0 bytes.", hint="Export it again.")
    fail_run(database, run_id, "mine", error)
    with database.read() as session:
        model = session.get_one(Model, "x")
        assert (model.state, model.error) == ("refused", error.as_dict())
    assert get(database, run_id).error == error.as_dict()


def test_only_the_runs_of_the_dead_worker_wait_again(database: Database) -> None:
    runs = {worker: add_run(database) for worker in ("mine", "other")}
    for worker, run_id in runs.items():
        begin_run(database, run_id, worker)
    over = add_run(database)
    begin_run(database, over, "mine")
    finish_run(database, over, "mine", nothing)
    with database.write() as session:
        requeue_runs(session, "mine")
    assert get(database, runs["mine"]).state == "queued"
    assert get(database, runs["other"]).state == "running"
    assert get(database, over).state == "succeeded"
