"""One bench per test; whatever a worker printed is shown when the test fails, and a traceback in it is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()
    print(bench.log())
    assert "Traceback" not in bench.log()
