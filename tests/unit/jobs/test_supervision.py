"""Who counts as dead: silence by the watcher's own clock, and a look at the process table of the same machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import update

from app.jobs import supervision
from app.jobs.supervision import Watch, beat, bury, machine, set_state, sweep_work
from app.settings import Settings
from app.storage.database import Database
from app.storage.tables import Run, Worker


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(supervision.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def look(watch: Watch, clock: Clock, seconds: float, beats: int) -> list[str]:
    clock.now += seconds
    watch.beats += beats
    return watch.find_dead()


def test_silence_makes_dead_and_a_beat_makes_alive(database: Database, clock: Clock) -> None:
    watch = Watch(database, "mine")
    assert look(watch, clock, 0, 0) == []  # first seen: nothing is known yet
    assert look(watch, clock, 5, 2) == []
    beat(database, "other")
    assert look(watch, clock, 2, 1) == []
    assert look(watch, clock, 5, 2) == []
    assert look(watch, clock, 2, 1) == ["other"]


def test_silence_does_not_count_while_own_beats_do_not_get_through(database: Database, clock: Clock) -> None:
    """A locked database silences everybody; nobody is dead because of that."""
    watch = Watch(database, "mine")
    look(watch, clock, 0, 0)
    assert look(watch, clock, 60, 0) == []
    assert look(watch, clock, 2, 1) == []
    assert look(watch, clock, 2, 1) == ["other"]


def test_a_gone_process_on_this_machine_is_seen_at_once(database: Database) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == "other").values(host=machine(), pid=process.pid))
    assert Watch(database, "mine").find_dead() == ["other"]  # a zombie
    process.wait()
    assert Watch(database, "mine").find_dead() == ["other"]  # no process


def test_a_living_process_on_this_machine_is_alive(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == "other").values(host=machine(), pid=os.getpid()))
    assert Watch(database, "mine").find_dead() == []


def test_process_numbers_of_another_machine_mean_nothing(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == "other").values(pid=2**22 + 1))
    assert Watch(database, "mine").find_dead() == []


def test_the_buried_learn_it_from_their_own_beat(database: Database) -> None:
    assert beat(database, "other") is True
    with database.write() as session:
        session.add(Run(id="r", owner_id="alice", kind="compare", state="running", worker_id="other"))
    bury(database, ["other"])
    assert beat(database, "other") is False
    assert Watch(database, "mine").find_dead() == []
    with database.read() as session:
        assert session.get_one(Run, "r").state == "queued"


def test_only_folders_of_living_workers_stay(database: Database, settings: Settings) -> None:
    for name in ("mine", "other", "unknown"):
        (settings.work / name / "run").mkdir(parents=True)
    set_state(database, "other", "gone")
    sweep_work(settings, database)
    assert [folder.name for folder in settings.work.iterdir()] == ["mine"]
