"""The stage on a real network: races are short here, so the test asks what the result says, not who wins."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from app.engine.preprocessing.pipeline import normalize
from app.engine.preprocessing.presets import get_preset
from app.engine.quantize.assembly import save_fitted
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.speed.layouts import LAYOUTS, apply_layouts
from app.engine.records import from_json, to_json
from app.engine.runtimes.device import fingerprint
from app.engine.stages import tune
from app.engine.stages.tune import Result, Spec, run
from tests.support.model_builder import tiny_classifier
from tests.support.quantize_default import outputs_of, quantize_default
from tests.support.stage_runs import stage_context

UNIT = get_preset("unit", 32, 32, 3, "NCHW")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """(folder with graph, integers and pixels, the whole INT8 Default)."""
    folder = tmp_path_factory.mktemp("fitted")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    np.save(folder / "pixels.npy", pixels)
    samples = [normalize(pixels[i : i + 1], UNIT, "float32") for i in range(len(pixels))]
    settings = QuantizationSettings(range_estimator="minmax", effort="fast")
    quantized = quantize_default(tiny_classifier(width=24), samples, folder, settings)
    onnx.save(quantized.fit.graph, folder / "graph.onnx")
    save_fitted(folder / "fitted.npz", quantized.fit.fitted)
    return folder, quantized


def spec(folder, **options):
    files = (folder / "graph.onnx", folder / "fitted.npz", folder / "pixels.npy")
    return Spec(*files, UNIT, tuple(range(6)), fingerprint(), race_seconds=0.05, verdict_seconds=0.1, **options)


def test_the_choice_is_measured_and_reported(fitted, tmp_path):
    folder, quantized = fitted
    context, reported = stage_context(tmp_path / "stage")
    result = run(spec(folder, keep_float={"conv1": "a rule"}), context)
    graph = quantized.fit.graph
    assert from_json(Result, to_json(result)) == result
    assert result.keep_float["conv1"] == "a rule"
    assert result.keep_float.keys() <= {node.name for node in graph.graph.node}
    assert place(graph, ONNXRUNTIME, result.keep_float).quantized
    assert set(result.layouts) <= set(LAYOUTS)
    assert result.speedup.low <= result.speedup.value <= result.speedup.high
    assert result.faster == (result.speedup.low > 1)
    assert bool(result.reasons) <= (not result.faster)
    lines = [progress.message for progress in reported]
    assert [line.split(": ")[0] for line in lines[: len(result.moves)]] == [move.name for move in result.moves]
    assert "as fast as FP32 on one thread" in lines[len(result.moves)]
    assert list((tmp_path / "stage").iterdir()) == []


def test_without_time_nothing_is_tried_but_the_verdict(fitted, tmp_path):
    folder, _ = fitted
    result = run(spec(folder, seconds=0.0), stage_context(tmp_path / "stage")[0])
    assert (result.keep_float, result.layouts, result.moves) == ({}, (), ())
    assert result.speedup.value > 0


def test_a_graph_whose_nodes_all_stay_in_float_is_not_faster(fitted, tmp_path):
    folder, quantized = fitted
    everything = dict.fromkeys((node.name for node in quantized.fit.graph.graph.node), "kept by the user")
    result = run(spec(folder, keep_float=everything), stage_context(tmp_path / "stage")[0])
    assert not result.faster
    assert result.keep_float == everything
    assert result.reasons == ("nothing is INT8",)


def test_the_file_that_is_not_faster_says_where_its_time_goes(fitted, tmp_path, monkeypatch):
    """A line no file passes stands in for a device on which INT8 loses."""
    folder, _ = fitted
    monkeypatch.setattr(tune, "FASTER_ABOVE", 1e9)
    result = run(spec(folder, seconds=0.0), stage_context(tmp_path / "stage")[0])
    assert not result.faster
    assert result.reasons
    assert all("ms" in reason for reason in result.reasons)


def test_layouts_compute_the_same_numbers(fitted):
    _, quantized = fitted
    image = np.random.default_rng(1).random((1, 3, 32, 32), np.float32)
    before = quantized.model.SerializeToString()
    changed = apply_layouts(quantized.model, tuple(LAYOUTS))
    assert quantized.model.SerializeToString() == before
    assert changed.SerializeToString() != before
    for name, values in outputs_of(quantized.model, [image]).items():
        np.testing.assert_array_equal(outputs_of(changed, [image])[name], values)
