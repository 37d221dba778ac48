"""Events of a run: in order, announced once, attempts counted, bounded."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from app.engine.stages.context import Progress
from app.errors import WorkbenchError
from app.jobs import journal as module
from app.jobs.journal import Journal
from app.settings import Settings
from app.storage import database as database_module
from app.storage.database import Database
from app.storage.tables import Run, StageEvent


@pytest.fixture
def journal(database: Database) -> Journal:
    with database.write() as session:
        session.add(Run(id="r", owner_id="alice", kind="compare"))
    return Journal(database, "r")


def events(database: Database) -> list[tuple[str, str, int, int, str]]:
    with database.read() as session:
        rows = session.scalars(select(StageEvent).order_by(StageEvent.id))
        return [(row.kind, row.stage, row.attempt, row.done, row.message) for row in rows]


def test_a_plan_repeated_after_a_restart_adds_only_what_is_new(database: Database, journal: Journal) -> None:
    journal.plan(["A", "B"])
    journal.plan(["A", "B", "C"])
    assert [stage for _, stage, *_ in events(database)] == ["A", "B", "C"]


def test_attempts_are_counted_per_stage(journal: Journal) -> None:
    assert [journal.start(label).attempt for label in ("A", "B", "A", "A")] == [1, 1, 2, 3]


def test_counts_are_thinned_and_messages_are_not(database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    stage = journal.start("A")
    for done in range(10):
        now += 0.1
        stage.progress(Progress(done, 10, "half" if done == 5 else ""))
    stage.end("finished")
    written = [(kind, done) for kind, _, _, done, _ in events(database)]
    assert written == [("started", 0), ("progress", 0), ("log", 5), ("progress", 6), ("finished", 0)]


def test_a_babbling_stage_is_cut_off(database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOG_LINES", 3)
    stage = journal.start("A")
    for number in range(10):
        stage.progress(Progress(2**40, -1, f"{number}\x00" + "y" * 10_000))
    lines = [row for row in events(database) if row[0] == "log"]
    assert len(lines) == 3
    assert all(len(message) <= module.MAX_MESSAGE and "\x00" not in message for *_, message in lines)


def test_a_deleted_run_is_a_cancelled_one(database: Database, journal: Journal) -> None:
    stage = journal.start("A")
    with database.write() as session:
        session.delete(session.get_one(Run, "r"))
    for write in (lambda: stage.log("x"), lambda: journal.start("B"), lambda: journal.plan(["C"])):
        with pytest.raises(WorkbenchError, match="deleted") as caught:
            write()
        assert caught.value.code == "run.cancelled"
    assert events(database) == []


def test_counts_are_left_out_while_the_database_is_busy(
    settings: Settings, database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = journal.start("A")
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 20)
    database.engine.dispose()  # connections opened from now on are impatient
    foreign = sqlite3.connect(Path(settings.data) / "workbench.sqlite3", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    stage.progress(Progress(1, 2))
    foreign.execute("ROLLBACK")
    foreign.close()
    stage.progress(Progress(2, 2))
    assert [(kind, done) for kind, _, _, done, _ in events(database)] == [("started", 0), ("progress", 2)]
