"""kill -9 of anything, in any stage: the job goes on from the last completed stage, once; results appear once."""

from __future__ import annotations

import os
import signal

import pytest

from app.storage.tables import Comparison
from tests.support.fault_bench import Bench
from tests.support.processes import is_alive, wait_for

pytestmark = pytest.mark.slow

STAGES = (1, 2, 3)


def test_a_run_without_faults(bench: Bench) -> None:
    bench.start_worker()
    bench.open_gate(*STAGES)
    bench.assert_succeeded_once(bench.start_run())
    assert [number for number, _ in bench.starts()] == [1, 2, 3]


@pytest.mark.parametrize("stage", STAGES)
def test_kill_the_worker(bench: Bench, stage: int) -> None:
    worker = bench.start_worker()
    run_id = bench.start_run()
    bench.open_gate(*range(1, stage))
    child = bench.wait_for_stage(stage)
    worker.kill()
    wait_for(lambda: not is_alive(child), "the child of the dead worker is gone")
    bench.open_gate(*STAGES)
    bench.start_worker()
    bench.assert_succeeded_once(run_id)
    expected = sorted([*STAGES, stage])
    assert [number for number, _ in bench.starts()] == expected
    assert ("started", f"Stage {stage}", 2) in bench.events(run_id)


@pytest.mark.parametrize("stage", STAGES)
def test_kill_the_child(bench: Bench, stage: int) -> None:
    bench.start_worker()
    run_id = bench.start_run()
    bench.open_gate(*range(1, stage))
    os.kill(bench.wait_for_stage(stage), signal.SIGKILL)
    bench.wait_for_stage(stage, times=2)
    bench.open_gate(*STAGES)
    bench.assert_succeeded_once(run_id)
    assert ("failed", f"Stage {stage}", 1) in bench.events(run_id)


def test_a_child_that_is_always_killed_fails_the_run(bench: Bench) -> None:
    bench.start_worker()
    run_id = bench.start_run()
    for times in (1, 2, 3):
        os.kill(bench.wait_for_stage(1, times), signal.SIGKILL)
    run = bench.wait_for_state(run_id, "failed")
    assert run.error is not None
    assert run.error["code"] == "stage.killed"
    assert bench.count(Comparison) == 0


def test_another_worker_takes_over(bench: Bench) -> None:
    """It notices at once that the process is gone on its own host; the restarted stage runs there."""
    first = bench.start_worker()
    run_id = bench.start_run()
    bench.wait_for_stage(1)
    bench.start_worker()
    wait_for(lambda: len(bench.worker_states()) == 2, "the second worker is up")
    first.kill()
    first.wait()
    bench.open_gate(*STAGES)
    bench.assert_succeeded_once(run_id)


def test_a_frozen_worker_commits_nothing_when_it_wakes(bench: Bench) -> None:
    first = bench.start_worker()
    run_id = bench.start_run()
    bench.open_gate(1)
    bench.wait_for_stage(2)
    bench.freeze(first)
    bench.start_worker()
    bench.wait_for_stage(2, times=2)
    bench.open_gate(*STAGES)  # the frozen worker's child ends too
    first.send_signal(signal.SIGCONT)
    bench.assert_succeeded_once(run_id)
    wait_for(lambda: first.poll() is not None, "the frozen worker notices that it was declared dead")


def test_cancel_frees_the_processor_within_two_seconds(bench: Bench) -> None:
    bench.start_worker()
    run_id = bench.start_run()
    child = bench.wait_for_stage(1)
    assert bench.queue.cancel(run_id)
    wait_for(lambda: not is_alive(child), "the child is gone", patience_s=2.0)
    after = bench.start_run()
    bench.open_gate(*STAGES)
    bench.assert_succeeded_once(after)
    assert bench.run_row(run_id).state == "cancelled"
    assert bench.run_row(run_id).result is None
    assert bench.count(Comparison) == 1


def test_a_deleted_run_stops_quietly(bench: Bench) -> None:
    bench.start_worker()
    run_id = bench.start_run()
    child = bench.wait_for_stage(1)
    with bench.database.write() as session:
        session.delete(session.get_one(type(bench.run_row(run_id)), run_id))
    wait_for(lambda: not is_alive(child), "the child is gone", patience_s=2.0)
    bench.open_gate(*STAGES)
    bench.assert_succeeded_once(bench.start_run())


def test_a_stopped_worker_leaves_its_job_to_the_next(bench: Bench) -> None:
    worker = bench.start_worker()
    run_id = bench.start_run()
    bench.open_gate(1)
    child = bench.wait_for_stage(2)
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert not is_alive(child)
    assert bench.run_row(run_id).state == "queued"
    assert bench.worker_states() == {worker.pid: "gone"}
    assert list(bench.settings.work.iterdir()) == []
    bench.open_gate(*STAGES)
    bench.start_worker()
    bench.assert_succeeded_once(run_id)
    assert [number for number, _ in bench.starts()] == [1, 2, 2, 3]
