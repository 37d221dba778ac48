"""The stages `benchmark` and `paired` on a real tiny network in the real runtime; how fast it is, is not asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.engine.benchmark import grid, rounds
from app.engine.benchmark.results import Setting
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.records import from_json, to_json
from app.engine.stages import benchmark, paired
from app.engine.stages.context import Progress, StageContext
from app.errors import WorkbenchError
from tests.support.model_builder import save, tiny_classifier, two_input_classifier

UNIT = Preprocessing(32, 32, resize="stretch", divide_by=(255.0, 255.0, 255.0))
SHORT = 0.01


class Reports(list[Progress]):
    def context(self, folder: Path) -> StageContext:
        return StageContext(folder, self.append, threads=2)


@pytest.fixture(autouse=True)
def short_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at what is said, not at whether it is precise."""
    monkeypatch.setattr(grid, "WARM_UP_SECONDS", SHORT)
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", SHORT)
    monkeypatch.setattr(rounds, "SLICE_SECONDS", SHORT)


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    path = tmp_path / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8))
    return path


def test_a_grid_on_samples(tmp_path: Path, pixels: Path) -> None:
    reports = Reports()
    model = save(tiny_classifier(), tmp_path / "model.onnx")
    result = benchmark.run(benchmark.Spec(model, pixels, UNIT, seconds=SHORT), reports.context(tmp_path))
    assert [(cell.setting.streams, cell.setting.batch) for cell in result.grid.cells] == [(1, 1), (1, 8), (2, 1), (2, 8)]
    for cell in result.grid.cells:
        assert cell.latency_ms.n >= cell.setting.streams
        assert cell.seconds >= SHORT
        assert cell.throughput_fps > 0
        assert 0 < cell.latency_ms.p50 <= cell.latency_ms.p99
    assert min(result.grid.load_ms, result.grid.first_ms, result.grid.peak_memory_mb) > 0
    assert result.grid.environment.device.runtime == "onnxruntime"
    assert result.notices == ()
    assert [(report.done, report.total) for report in reports] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert from_json(benchmark.Result, to_json(result)) == result


def test_a_fixed_batch_is_measured_and_said(tmp_path: Path, pixels: Path) -> None:
    model = save(tiny_classifier(batch=1), tmp_path / "model.onnx")
    result = benchmark.run(benchmark.Spec(model, pixels, UNIT, seconds=SHORT), Reports().context(tmp_path))
    assert [cell.setting for cell in result.grid.cells] == [Setting(1, 2, 1), Setting(2, 1, 1)]
    assert [notice.code for notice in result.notices] == ["benchmark.fixed_batch"]
    assert "1 sample per request" in result.notices[0].message


def test_without_samples_a_free_size_must_be_given(tmp_path: Path) -> None:
    model = save(tiny_classifier(height=None, image_width=None), tmp_path / "model.onnx")
    setting = (Setting(1, 1, 1),)
    with pytest.raises(WorkbenchError) as raised:
        benchmark.run(benchmark.Spec(model, settings=setting, seconds=SHORT), Reports().context(tmp_path))
    assert raised.value.code == "benchmark.size_needed"
    spec = benchmark.Spec(model, settings=setting, seconds=SHORT, height=40, width=24)
    assert len(benchmark.run(spec, Reports().context(tmp_path)).grid.cells) == 1


def test_a_model_with_two_inputs_runs_on_random_numbers(tmp_path: Path) -> None:
    model = save(two_input_classifier(), tmp_path / "model.onnx")
    spec = benchmark.Spec(model, settings=(Setting(2, 1, 4),), seconds=SHORT)
    assert benchmark.run(spec, Reports().context(tmp_path)).grid.best.setting.batch == 4


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e308])
def test_an_impossible_time_is_refused(tmp_path: Path, seconds: float) -> None:
    model = save(tiny_classifier(), tmp_path / "model.onnx")
    with pytest.raises(WorkbenchError) as raised:
        benchmark.run(benchmark.Spec(model, seconds=seconds), Reports().context(tmp_path))
    assert raised.value.code == "benchmark.seconds"
    with pytest.raises(WorkbenchError) as raised:
        paired.run(paired.Spec((model,), ("a",), Setting(1, 1, 1), seconds), Reports().context(tmp_path))
    assert raised.value.code == "benchmark.seconds"


def test_a_comparison_names_its_files_and_its_setting(tmp_path: Path, pixels: Path) -> None:
    reports = Reports()
    models = tuple(save(tiny_classifier(width=width, batch=2), tmp_path / f"{width}.onnx") for width in (8, 16))
    spec = paired.Spec(models, ("fp32", "new"), Setting(2, 1, 1), SHORT, pixels, UNIT)
    result = paired.run(spec, reports.context(tmp_path)).paired
    assert result.setting == Setting(2, 1, 2), "the files' own batch size"
    assert [variant.name for variant in result.variants] == ["fp32", "new"]
    assert result.variants[0].speedup.value == 1
    assert result.variants[1].speedup.low <= result.variants[1].speedup.value <= result.variants[1].speedup.high
    assert f"{result.rounds} rounds in turns" in [report.message for report in reports]
    assert from_json(paired.Result, to_json(paired.Result(result))) == paired.Result(result)


def test_every_file_of_a_comparison_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="got 1 and 2") as raised:
        paired.run(paired.Spec((tmp_path,), ("a", "b"), Setting(1, 1, 1), 1.0), Reports().context(tmp_path))
    assert raised.value.code == "benchmark.models"
