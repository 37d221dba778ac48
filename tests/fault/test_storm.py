"""Random kills, seeded: whatever dies when, every acknowledged job ends once, with each stage recorded once."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from contextlib import suppress

import pytest

from app.jobs.supervision import LIVING
from app.storage.tables import Comparison
from tests.support.fault_bench import Bench
from tests.support.processes import is_alive, wait_for

pytestmark = pytest.mark.slow

JOBS, KILLS, CHILD_KILLS = 6, 8, 2


def test_kill_storm(bench: Bench) -> None:
    chance = random.Random(20261124)
    bench.open_gate(1, 2, 3)
    workers = [bench.start_worker(), bench.start_worker()]
    runs = [bench.start_run(seconds=0.4) for _ in range(JOBS)]
    child_kills = 0
    for _ in range(KILLS):
        seen = len(bench.starts())
        wait_for(lambda seen=seen: len(bench.starts()) > seen or all_over(bench, runs), "another stage begins")
        if all_over(bench, runs):
            break
        children = [pid for _, pid in bench.starts() if is_alive(pid)]
        if children and child_kills < CHILD_KILLS and chance.random() < 0.3:
            child_kills += 1
            with suppress(ProcessLookupError):
                os.kill(chance.choice(children), signal.SIGKILL)
        else:
            victim = chance.randrange(len(workers))
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = bench.start_worker()
    for run_id in runs:
        bench.assert_succeeded_once(run_id)
    assert bench.count(Comparison) == JOBS
    assert_database_is_sound(bench)
    wait_for(
        lambda: list(bench.worker_states().values()).count("up") == 2, "only the two living workers call themselves living"
    )
    assert set(bench.worker_states().values()) <= {*LIVING, "gone"}


def all_over(bench: Bench, runs: list[str]) -> bool:
    return all(bench.run_row(run_id).state == "succeeded" for run_id in runs)


def assert_database_is_sound(bench: Bench) -> None:
    connection = sqlite3.connect(bench.settings.data / "workbench.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    recorded = "SELECT count(*) FROM operation_outputs GROUP BY workflow_uuid"
    assert {row[0] for row in connection.execute(recorded)} == {3}
    connection.close()
