"""The same on PostgreSQL: a team's database instead of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fault_bench import Bench
from tests.support.postgres import needs_postgres, postgres_server

pytestmark = [pytest.mark.slow, needs_postgres]


def test_kill_the_worker_on_postgres(tmp_path: Path) -> None:
    with postgres_server() as url:
        bench = Bench(tmp_path, database_url=url)
        try:
            worker = bench.start_worker()
            run_id = bench.start_run()
            bench.open_gate(1)
            bench.wait_for_stage(2)
            worker.kill()
            worker.wait()
            bench.open_gate(1, 2, 3)
            bench.start_worker()
            bench.assert_succeeded_once(run_id)
            assert [number for number, _ in bench.starts()] == [1, 2, 2, 3]
        finally:
            print(bench.log())
            bench.close()
