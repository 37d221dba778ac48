"""The worker beside the web server: started with it, restarted when it dies, gone when the server is."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.fault_bench import Bench
from tests.support.processes import is_alive, wait_for

pytestmark = pytest.mark.slow


def worker_pid(bench: Bench, state: str = "up") -> int:
    wait_for(lambda: state in bench.worker_states().values(), f"a worker is {state}")
    return next(pid for pid, its_state in bench.worker_states().items() if its_state == state)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_kill_the_server(bench: Bench, stage: int) -> None:
    server = bench.start_server()
    worker = worker_pid(bench)
    run_id = bench.start_run()
    bench.open_gate(*range(1, stage))
    child = bench.wait_for_stage(stage)
    server.kill()
    server.wait()
    wait_for(lambda: not is_alive(worker) and not is_alive(child), "worker and child die with the server", patience_s=5)
    bench.open_gate(1, 2, 3)
    bench.start_server()
    bench.assert_succeeded_once(run_id)
    assert [number for number, _ in bench.starts()] == sorted([1, 2, 3, stage])


def test_a_dead_worker_is_started_again(bench: Bench) -> None:
    bench.start_server()
    first = worker_pid(bench)
    run_id = bench.start_run()
    bench.wait_for_stage(1)
    os.kill(first, signal.SIGKILL)
    bench.open_gate(1, 2, 3)
    bench.assert_succeeded_once(run_id)


def test_an_ended_server_ends_its_worker_in_good_order(bench: Bench) -> None:
    server = bench.start_server()
    worker = worker_pid(bench)
    server.terminate()
    assert server.wait(timeout=20) == 0
    assert not is_alive(worker)
    assert bench.worker_states() == {worker: "gone"}
