from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.engine.benchmark.environment import read_environment
from app.engine.benchmark.feeds import from_shape
from app.engine.benchmark.grid import default_grid, fit_batches, make_grid, measure_grid
from app.engine.benchmark.results import Cell, Setting
from app.errors import WorkbenchError
from tests.support.timed import TimedRuntime


def test_the_default_grid_shares_out_the_cores() -> None:
    assert default_grid(8) == (Setting(1, 8, 1), Setting(1, 8, 8), Setting(8, 1, 1), Setting(8, 1, 8))
    assert default_grid(1) == (Setting(1, 1, 1), Setting(1, 1, 8))


def test_a_grid_never_asks_for_more_threads_than_cores_unless_streams_do() -> None:
    assert make_grid(4, streams=(3, 8), batches=(1,)) == (Setting(3, 1, 1), Setting(8, 1, 1))


@pytest.mark.parametrize(("streams", "batches"), [((0,), (1,)), ((1,), (-8,)), ((), (1,)), ((1,), ())])
def test_an_impossible_grid_is_refused(streams: tuple[int, ...], batches: tuple[int, ...]) -> None:
    with pytest.raises(WorkbenchError, match="at least 1") as raised:
        make_grid(2, streams, batches)
    assert raised.value.code == "benchmark.setting"


def test_a_fixed_batch_replaces_the_asked_ones_and_repeats_no_cell() -> None:
    assert fit_batches(default_grid(2), 4) == (Setting(1, 2, 4), Setting(2, 1, 4))
    assert fit_batches(default_grid(2), None) == default_grid(2)


def test_cells_tell_service_time_and_throughput() -> None:
    runtime = TimedRuntime(open_seconds=0.5)
    cells: list[tuple[int, int, Cell]] = []
    result = measure_grid(
        runtime,
        Path("10.onnx"),
        from_shape(),
        default_grid(2),
        1.0,
        clock=runtime.clock,
        on_cell=lambda *report: cells.append(report),
    )
    assert result.load_ms == pytest.approx(500)
    assert result.first_ms == pytest.approx(5)  # 10 ms of work on 2 threads
    found = [(cell.setting.streams, cell.setting.batch, cell.throughput_fps, cell.latency_ms.p99) for cell in result.cells]
    assert found == [
        (1, 1, pytest.approx(200), pytest.approx(5)),
        (1, 8, pytest.approx(1600), pytest.approx(5)),
        (2, 1, pytest.approx(200), pytest.approx(10)),
        (2, 8, pytest.approx(1600), pytest.approx(10)),
    ]
    assert [(done, total) for done, total, _ in cells] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [cell for *_, cell in cells] == list(result.cells)
    assert runtime.opened == [("10", 2), ("10", 1)], "cells with as many threads share a session"


def test_streams_of_several_threads_get_a_session_each() -> None:
    runtime = TimedRuntime()
    result = measure_grid(runtime, Path("8.onnx"), from_shape(), make_grid(8, (2,), (1,)), 1.0, clock=runtime.clock)
    assert runtime.opened == [("8", 4)] * 3, "one for load_ms, then one per stream"
    assert result.best.throughput_fps == pytest.approx(2 / 0.002)


def test_a_file_with_a_fixed_batch_is_measured_with_it() -> None:
    runtime = TimedRuntime(batch=3)
    result = measure_grid(runtime, Path("10.onnx"), from_shape(), default_grid(2), 1.0, clock=runtime.clock)
    assert [cell.setting for cell in result.cells] == [Setting(1, 2, 3), Setting(2, 1, 3)]
    assert result.cells[0].throughput_fps == pytest.approx(600)


def test_the_environment_tells_device_load_and_governor(tmp_path: Path) -> None:
    for core, governor in enumerate(("powersave", "performance", "powersave")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
    found = read_environment(TimedRuntime(), tmp_path)
    assert found.device.cpu == "A CPU"
    assert found.load_average >= 0
    assert found.governor == "performance, powersave"
    assert read_environment(TimedRuntime(), tmp_path / "elsewhere").governor == ""


def test_peak_memory_keeps_what_was_freed() -> None:
    code = """
from app.engine.benchmark.environment import read_peak_memory_mb as peak
before = peak()
block = b"x" * (64 * 2**20)
del block
print(peak() - before)
"""
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 60 < float(grown) < 70  # MiB; the kernel counts pages in lots, so not exactly 64
