"""Bad input and odd graphs: a clear refusal or a sound file, never a silent bad one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from app.engine.calibration.collector import collect_statistics
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.judged import Judge
from app.engine.quantize.observation import observed_tensors
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from app.engine.stages import calibrate
from app.engine.stages.context import StageContext
from app.engine.stages.pixel_file import PixelFile
from app.errors import WorkbenchError
from tests.support.model_builder import qdq_classifier, save, tiny_classifier
from tests.support.odd_models import ODD_MODELS, model_of, normal, samples_for, two_convolutions
from tests.support.odd_models.building import conv, node
from tests.support.quantize_default import Quantized, outputs_of, quantize_default

SOUND_DB = 25.0
"""Of networks of two or three layers on one grid per tensor."""
HARD = frozenset({"one_huge_channel", "huge_bias", "vanishing_weights", "pooling_with_indices"})
"""No 8-bit grid per tensor holds them: they may lose, but the job must know it."""


QUICK = frozenset(
    {
        "branch_reads_values_from_outside",
        "clip_around_zero",
        "clip_without_upper_limit",
        "computed_bias",
        "constant_channels",
        "empty_tensor",
        "everything_zero",
        "functions_of_the_model",
        "gemm_with_a_computed_bias",
        "matmul_with_a_vector",
        "names_that_an_insertion_would_use",
        "no_shape_at_all",
        "one_channel_everywhere",
        "output_before_the_activation_that_reads_it",
        "scalar_output",
        "tiny_weights",
        "token_ids",
    }
)
"""What broke a quantizer here once, or nearly; the others are slow tests."""
REFUSED = frozenset({"gemm_with_a_scalar_bias", "gemm_with_alpha_and_beta", "matmul_with_a_stack_of_weights"})
"""Without any layer that has an integer kernel."""


def odd_models(names):
    """As parameters."""
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in sorted(names)]


def refusal(model: onnx.ModelProto, samples: list[np.ndarray], folder) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as refused:
        quantize_default(model, samples, folder)
    assert refused.value.message.endswith(".")
    return refused.value


def measured_db(quantized: Quantized) -> float:
    """The worst of the float outputs, on samples that were not calibrated on; NaN as soon as one value is not finite."""
    samples = samples_for(quantized.original, 16, seed=1)
    numbers = {name for name, values in outputs_of(quantized.original, samples[:1]).items() if values.dtype.kind == "f"}
    return min(db for name, db in quantized.sqnr(samples).items() if name in numbers)


def sound_or_refused(model: onnx.ModelProto, samples: list[np.ndarray], folder, *words: str) -> bool:
    """Whether the file is sound, or the refusal says one of these words."""
    try:
        quantized = quantize_default(model, samples, folder)
    except WorkbenchError as refused:
        return any(word in str(refused).lower() for word in words)
    return measured_db(quantized) >= SOUND_DB


@pytest.mark.parametrize("name", odd_models(set(ODD_MODELS) - HARD - REFUSED))
def test_an_odd_model_becomes_a_sound_file(name, tmp_path):
    model = ODD_MODELS[name]()
    quantized = quantize_default(model, samples_for(model), tmp_path)
    if model.graph.input[0].type.tensor_type.shape.dim:  # the checker wants shapes
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(quantized.model))
    assert quantized.placement.quantized
    assert measured_db(quantized) >= SOUND_DB


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_model_whose_layers_have_no_integer_kernel_is_refused(name, tmp_path):
    model = ODD_MODELS[name]()
    assert refusal(model, samples_for(model, 4), tmp_path).code == "quantize.nothing_to_quantize"


@pytest.mark.parametrize("name", sorted(HARD))
def test_a_file_that_lost_its_answers_is_known_to_have(name, tmp_path):
    """What the job shows beside the file is what the file does on other samples, where outputs are made."""
    model = ODD_MODELS[name]()
    quantized = quantize_default(model, samples_for(model), tmp_path)
    others = Judge(get_runtime("onnxruntime"), quantized.fit.graph, samples_for(model, 32, seed=1), threads=1)
    measured = others.sqnr_db(quantized.model)
    assert measured >= SOUND_DB or measured == pytest.approx(quantized.fit.sqnr_db, abs=3.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("constant", "layer"), [("w1", "first"), ("w2", "second"), ("b1", "first"), ("b2", "second")])
def test_a_weight_that_is_no_number_is_refused_by_node(bad, constant, layer, tmp_path):
    values = {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 3, 3), "b2": normal(6)}[constant].copy()
    values.flat[0] = bad
    model = two_convolutions(**{constant: values})
    refused = refusal(model, samples_for(model), tmp_path)
    assert refused.code in {"quantize.not_finite", "calibration.not_finite"}
    assert layer in f"{refused.where} {refused.message}"


def test_an_activation_that_is_no_number_names_node_and_sample(tmp_path):
    """Log of a negative mean, on the sixth sample only."""
    nodes = [
        conv("x", "a", "w", name="first"),
        node("ReduceMean", ["x"], "m", keepdims=1),
        node("Log", ["m"], "l", name="logarithm"),
        node("Add", ["a", "l"], "s", name="sum"),
        conv("s", "y", "w2", name="second"),
    ]
    model = model_of(nodes, {"w": normal(8, 4, 3, 3), "w2": normal(4, 8, 3, 3)})
    samples = samples_for(model, 8)
    samples[5] = -samples[5]
    refused = refusal(model, samples, tmp_path)
    said = str(refused)
    assert refused.code == "calibration.not_finite"
    assert any(name in said for name in ("logarithm", "sum"))
    assert "5" in said or "6" in said


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_refused(bad, tmp_path):
    model = two_convolutions()
    samples = samples_for(model, 8)
    samples[2][0, 0, 0, 0] = bad
    refused = refusal(model, samples, tmp_path)
    assert refused.code == "calibration.not_finite"
    assert "2" in str(refused) or "3" in str(refused)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 4, 8), (4, 8, 8), (1, 4, 8, 8, 1)])
def test_samples_of_the_wrong_shape_are_refused_with_both_shapes(shape, tmp_path):
    refused = refusal(two_convolutions(), [np.zeros(shape, np.float32)] * 4, tmp_path)
    assert str(shape[1]) in str(refused)


def test_samples_of_changing_shape_are_refused_or_sound(tmp_path):
    """A free height and width: larger and smaller images."""
    model = two_convolutions()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "W"
    rng = np.random.default_rng(0)
    samples = [rng.uniform(0, 1, (1, 4, side, side)).astype(np.float32) for side in (8, 12, 16) * 6]
    assert sound_or_refused(model, samples, tmp_path, "shape", "size")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_samples_are_enough_for_a_sound_file(n, tmp_path):
    model = two_convolutions()
    quantized = quantize_default(model, samples_for(model, n), tmp_path)
    assert measured_db(quantized) >= SOUND_DB
    if n < 3:
        assert all(candidate.reason for candidate in quantized.fit.candidates)


def test_samples_that_are_all_zero_give_a_finite_file(tmp_path):
    model = two_convolutions()
    samples = [np.zeros((1, 4, 8, 8), np.float32)] * 4
    quantized = quantize_default(model, samples, tmp_path)
    assert min(quantized.sqnr(samples).values()) >= SOUND_DB
    assert np.isfinite(outputs_of(quantized.model, samples_for(model, 2))["y"]).all()


def calibrate_stage(model: onnx.ModelProto, samples: int, folder) -> None:
    pixels = folder / "pixels.npy"
    with PixelFile.create(pixels, (samples, 32, 32, 3)) as file:
        for row in range(samples):
            file.write_row(row, np.random.default_rng(row).integers(0, 256, (32, 32, 3), np.uint8))
    spec = calibrate.Spec(
        save(model, folder / "model.onnx"), pixels, Preprocessing(32, 32, divide_by=(255.0,) * 3), QuantizationSettings()
    )
    work = folder / "work"
    work.mkdir()
    calibrate.run(spec, StageContext(work, lambda _: None, 1))


def test_an_empty_calibration_set_is_refused(tmp_path):
    with pytest.raises(WorkbenchError) as refused:
        calibrate_stage(tiny_classifier(), 0, tmp_path)
    assert refused.value.code == "calibration.empty"


def test_no_samples_at_all_are_refused_by_the_collector_too(tmp_path):
    prepared = prepare_graph(save(two_convolutions(), tmp_path / "m.onnx"), tmp_path / "p.onnx")
    runtime = get_runtime("onnxruntime")
    tensors = observed_tensors(prepared)
    with pytest.raises(WorkbenchError) as refused:
        collect_statistics(runtime, prepared, tensors, [], histogram=False, threads=1, on_batch=lambda _: None)
    assert refused.value.code == "calibration.empty"


def test_a_model_that_is_quantized_already_is_refused(tmp_path):
    with pytest.raises(WorkbenchError) as refused:
        calibrate_stage(qdq_classifier(), 4, tmp_path)
    assert refused.value.code == "quantize.already_quantized"


def test_a_model_without_layers_is_refused(tmp_path):
    nodes = [node("Relu", ["x"], "r"), node("GlobalAveragePool", ["r"], "y")]
    model = model_of(nodes, {}, shape=("N", 3, 32, 32))
    with pytest.raises(WorkbenchError) as refused:
        calibrate_stage(model, 4, tmp_path)
    assert refused.value.code == "quantize.nothing_to_quantize"


def test_a_model_in_double_precision_is_refused_or_sound(tmp_path):
    constants = {"w1": normal(12, 16).astype(np.float64), "w2": normal(16, 8).astype(np.float64), "b": np.zeros(16)}
    nodes = [node("Gemm", ["x", "w1", "b"], "g"), node("Relu", ["g"], "r"), node("MatMul", ["r", "w2"], "y")]
    model = model_of(nodes, constants, shape=("N", 12), kind=TensorProto.DOUBLE, output_kind=TensorProto.DOUBLE)
    assert sound_or_refused(model, samples_for(model), tmp_path, "float64", "double", "no layer")


def test_node_names_given_twice_are_refused_as_the_runtime_does(tmp_path):
    model = two_convolutions()
    for entry in model.graph.node:
        entry.name = "same"
    assert "same" in str(refusal(model, samples_for(model), tmp_path))
