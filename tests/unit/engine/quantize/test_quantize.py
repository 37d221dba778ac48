"""From a float model to an INT8 file, in the real runtime."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from app.engine.calibration.collector import collect_statistics
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import find_layers
from app.engine.quantize.observation import choose_samples, grids_of, observed_tensors
from app.engine.quantize.placement import ONNXRUNTIME, REVERTED, Placement, place
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError
from tests.support.model_builder import qdq_classifier, save, tiny_classifier

RUNTIME = get_runtime("onnxruntime")
SETTINGS = QuantizationSettings(subset_size=32)
INPUTS = [image[None] for image in np.random.default_rng(0).uniform(0, 1, (32, 3, 32, 32)).astype(np.float32)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    return prepare_graph(save(tiny_classifier(width=16), folder / "model.onnx"), folder / "prepared.onnx")


@pytest.fixture(scope="module")
def statistics(prepared):
    tensors = observed_tensors(prepared)
    return collect_statistics(RUNTIME, prepared, tensors, INPUTS, histogram=True, threads=1, on_batch=lambda _: None)


def quantize_default(prepared, statistics, settings, keep_float=()) -> tuple[onnx.ModelProto, Placement]:
    """The INT8 file with weights to the nearest step."""
    grids = grids_of(prepared, statistics, settings)
    layers = find_layers(prepared.graph, frozenset(place(prepared, ONNXRUNTIME).quantized))
    placement = place(prepared, ONNXRUNTIME, dict.fromkeys(keep_float, REVERTED))
    return assemble(prepared, placement, Fitted(grids, round_all_to_nearest(layers, grids))), placement


def scores(model: onnx.ModelProto, *, optimize: bool = True) -> np.ndarray:
    session = RUNTIME.open(model.SerializeToString(), threads=1, optimize=optimize)
    return np.concatenate([session.run({"image": batch})[0] for batch in INPUTS])


def optimized_operators(model: onnx.ModelProto, folder) -> Counter[str]:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


@pytest.mark.parametrize("preset", ["performance", "mixed"])
@pytest.mark.parametrize("estimator", ["minmax", "averaged", "percentile", "mse"])
def test_int8_model_answers_nearly_as_the_float_one(prepared, statistics, preset, estimator):
    model, _ = quantize_default(prepared, statistics, QuantizationSettings(preset=preset, range_estimator=estimator))
    onnx.checker.check_model(model)
    assert sqnr_db(scores(prepared), scores(model)) > 20


def test_the_runtime_runs_every_weighted_layer_in_integer_kernels(prepared, statistics, tmp_path):
    model, _ = quantize_default(prepared, statistics, SETTINGS)
    operators = optimized_operators(model, tmp_path)
    assert operators["QLinearConv"] == 3
    assert operators["QGemm"] == 1
    assert operators["Conv"] == operators["FusedConv"] == operators["Gemm"] == 0


def test_a_reverted_layer_really_runs_in_float(prepared, statistics, tmp_path):
    """Without the barrier onnxruntime quantizes it again, per tensor (placement.md §1, trap 1)."""
    model, placement = quantize_default(prepared, statistics, SETTINGS, keep_float=("conv2",))
    assert placement.kept_in_float["conv2"] == REVERTED
    operators = optimized_operators(model, tmp_path)
    assert operators["QLinearConv"] == 2
    assert operators["Conv"] + operators["FusedConv"] == 1
    np.testing.assert_allclose(scores(model), scores(model, optimize=False), atol=1e-3)


def test_everything_reverted_is_the_float_model(prepared, statistics):
    groups = place(prepared, ONNXRUNTIME).groups
    model, placement = quantize_default(prepared, statistics, SETTINGS, keep_float=groups)
    assert placement.quantized == ()
    np.testing.assert_array_equal(scores(model), scores(prepared))


def test_same_inputs_same_bytes(prepared, statistics):
    first, second = (quantize_default(prepared, statistics, SETTINGS)[0] for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_tail_behind_the_last_weighted_layer_stays_float(tmp_path):
    model = prepare_graph(save(tiny_classifier(softmax=True), tmp_path / "m.onnx"), tmp_path / "p.onnx")
    placement = place(model, ONNXRUNTIME)
    softmax = next(node.name for node in model.graph.node if node.op_type == "Softmax")
    assert softmax in placement.kept_in_float
    assert softmax not in placement.quantized


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_prepared_graph_computes_the_same(tmp_path, opset):
    original = tiny_classifier(opset=opset)
    ready = prepare_graph(save(original, tmp_path / "m.onnx"), tmp_path / "p.onnx")
    assert next(entry.version for entry in ready.opset_import if entry.domain == "") >= 13
    assert len({node.name for node in ready.graph.node}) == len(ready.graph.node)
    np.testing.assert_allclose(scores(original), scores(ready), atol=1e-4)


def test_what_is_quantized_already_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(WorkbenchError) as refused:
        prepare_graph(save(qdq_classifier(), tmp_path / "m.onnx"), tmp_path / "p.onnx")
    assert refused.value.code == "quantize.already_quantized"
    assert "FP32" in refused.value.hint


def test_calibration_samples_are_a_seeded_draw_clamped_to_the_dataset():
    few = choose_samples(10, QuantizationSettings(subset_size=300, seed=1))
    assert sorted(few) == list(range(10))
    assert choose_samples(1000, QuantizationSettings(seed=1)) == choose_samples(1000, QuantizationSettings(seed=1))
    assert choose_samples(1000, QuantizationSettings(seed=1)) != choose_samples(1000, QuantizationSettings(seed=2))
