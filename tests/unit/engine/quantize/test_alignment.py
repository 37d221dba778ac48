"""Channel alignment: the float model stays what it was, and quiet channels gain steps."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.engine.calibration.collector import collect_statistics
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.alignment import STRENGTHS, align, channel_factors, find_domains
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.default import fit_default
from app.engine.quantize.layers import find_layers
from app.engine.quantize.observation import grids_of, observed_tensors
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.weight_fitting import correct_by_channel_means
from app.engine.runtimes import get_runtime

RUNTIME = get_runtime("onnxruntime")
SETTINGS = QuantizationSettings(range_estimator="minmax")
CHANNELS = 16


def separable(activation, spread=30.0, extra_reader=False):
    """1x1 convolution with loud and quiet channels, activation, depthwise convolution, 1x1 convolution."""
    rng = np.random.default_rng(0)
    loudness = np.geomspace(1, 1 / spread, CHANNELS).astype(np.float32)[:, None, None, None]
    weights = {
        "w1": rng.normal(size=(CHANNELS, 3, 1, 1)) * loudness,
        "b1": np.abs(rng.normal(size=CHANNELS)) * loudness.reshape(-1),
        "w2": rng.normal(size=(CHANNELS, 1, 3, 3)) / loudness,
        "w3": rng.normal(size=(8, CHANNELS, 1, 1)),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    limits = ["zero", "six"] if activation == "Clip" else []
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="expand"),
        helper.make_node(activation, ["c1", *limits], ["a1"], name="activation"),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], name="depthwise", group=CHANNELS, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c2", "w3"], ["y"], name="project"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 12, 12])]
    if extra_reader:
        nodes.append(helper.make_node("Exp", ["a1"], ["z"], name="exp"))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, CHANNELS, 12, 12]))
    graph = helper.make_graph(
        nodes,
        "separable",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 12])],
        outputs,
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def images(n, seed=0):
    return list(np.random.default_rng(seed).uniform(0, 1, (n, 1, 3, 12, 12)).astype(np.float32))


def prepared(model):
    layers = find_layers(model.graph, frozenset(place(model, ONNXRUNTIME).quantized))
    seen = collect_statistics(
        RUNTIME, model, observed_tensors(model), images(24), histogram=True, threads=1, on_batch=lambda _: None, total=24
    )
    return layers, seen, grids_of(model, seen, SETTINGS)


def scores(model, inputs):
    session = RUNTIME.open(model.SerializeToString())
    return np.concatenate([session.run({"x": x}, ["y"])[0] for x in inputs])


@pytest.mark.parametrize("activation", ["Relu", "Clip"])
@pytest.mark.parametrize("strength", STRENGTHS, ids=lambda strength: strength.name)
def test_the_float_model_stays_what_it_was(activation, strength):
    model = separable(activation)
    layers, seen, grids = prepared(model)
    aligned = align(model, layers, grids, seen, strength)
    assert "a1" in aligned.values
    np.testing.assert_allclose(scores(aligned.graph, images(24)), scores(model, images(24)), rtol=1e-4, atol=1e-4)


def test_quiet_channels_gain_steps_in_the_real_kernels():
    model = separable("Relu")
    layers, seen, grids = prepared(model)
    aligned = align(model, layers, grids, seen, STRENGTHS[0])
    unseen, placement = images(24, seed=5), place(model, ONNXRUNTIME)
    after = find_layers(aligned.graph.graph, frozenset(layers))
    plain = assemble(model, placement, Fitted(grids, correct_by_channel_means(layers, grids, seen, SETTINGS)))
    integers = correct_by_channel_means(after, grids, aligned.statistics, SETTINGS)
    better = assemble(aligned.graph, placement, Fitted(grids, integers))
    reference = scores(model, unseen)
    assert sqnr_db(reference, scores(better, unseen)) > sqnr_db(reference, scores(plain, unseen)) + 6


def test_default_takes_it_where_it_wins_and_not_when_switched_off():
    model = separable("Relu")
    _, seen, _ = prepared(model)
    on, off = (
        fit_default(RUNTIME, model, seen, images(24), QuantizationSettings(alignment=alignment), threads=1)
        for alignment in (True, False)
    )
    assert "channels aligned" in on.chosen
    assert "channels aligned" not in off.chosen
    assert on.sqnr_db > off.sqnr_db + 3


@pytest.mark.parametrize("activation", ["Sigmoid", "HardSigmoid", "LeakyRelu"])
def test_an_activation_that_does_not_pass_a_factor_ends_the_domain(activation):
    model = separable(activation)
    layers = find_layers(model.graph, frozenset({"expand", "depthwise", "project"}))
    assert "a1" not in {domain.value for domain in find_domains(model.graph, layers, dense=True)}


def test_a_value_that_others_read_is_left_alone():
    model = separable("Relu", extra_reader=True)
    layers = find_layers(model.graph, frozenset({"expand", "depthwise", "project"}))
    assert "a1" not in {domain.value for domain in find_domains(model.graph, layers, dense=True)}


def test_factors_never_leave_the_grid_and_dead_channels_keep_one():
    _, _, grids = prepared(separable("Relu"))
    largest = np.array([0.0, 1e-30, 0.01, 1.0, 1e9], np.float32)
    factors = channel_factors(largest, grids["a1"], STRENGTHS[0])
    reach = 255 * float(grids["a1"].scale)
    assert factors[0] == 1
    assert (factors >= 1).all()
    assert (np.where(factors > 1, largest * factors, 0) <= reach * (1 + 1e-5)).all()
