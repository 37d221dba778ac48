"""Each way of making integers does what it says: no mean error, the same means from either source, no pair past 16 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper, numpy_helper

from app.engine.calibration.collector import collect_statistics
from app.engine.numerics.affine import QParams
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.moments import InputMoments
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.saturation import layer_risk
from app.engine.quantize.weight_fitting import (
    BIAS,
    NEAREST,
    ROUNDING,
    ROUNDING_BIAS,
    correct_by_channel_means,
    fit_weights,
    round_all_to_nearest,
)
from app.engine.quantize.weights import quantized_layer, round_to_nearest, weight_scales
from app.engine.runtimes import get_runtime
from tests.support.odd_models.building import conv, model_of, normal, samples_for
from tests.support.quantize_default import outputs_of, quantize_default

SETTINGS = QuantizationSettings()
GRIDS = {"x": QParams(np.float32(0.01), np.uint8(0))}


def layer_of(weight: np.ndarray, groups: int = 1, bias: np.ndarray | None = None) -> Layer:
    return Layer("layer", "Conv", "x", "y", "w", weight, 0, "" if bias is None else "b", bias, groups, {})


def correlated_rows(groups: int, columns: int) -> np.ndarray:
    """(G, n, K) float32 of few common causes and with a mean, as behind a Relu."""
    rng = np.random.default_rng(3)
    common = rng.normal(size=(groups, 500, 3)) @ rng.normal(size=(groups, 3, columns))
    return np.abs(common + 0.2 * rng.normal(size=common.shape)).astype(np.float32)


def outputs(layer: Layer, rows: np.ndarray, weights: np.ndarray, bias: np.ndarray | float) -> np.ndarray:
    """(n, C) of rows (G, n, K) and weights (C, K)."""
    grouped = weights.reshape(layer.groups, -1, layer.columns).astype(np.float64)
    return np.einsum("gnk,gck->ngc", rows.astype(np.float64), grouped).reshape(rows.shape[1], -1) + bias


def made(layer: Layer, rows: np.ndarray, **settings):
    ((_, ways),) = fit_weights([(layer, InputMoments.of(rows))], GRIDS, replace(SETTINGS, **settings))
    return ways


def mean_errors(layer: Layer, rows: np.ndarray, integers) -> np.ndarray:
    """(C,): what the integers do to the mean of each output channel over these rows."""
    bias = 0.0 if layer.bias is None else layer.bias
    got_bias = 0.0 if integers.dequantized_bias is None else integers.dequantized_bias
    return (outputs(layer, rows, integers.dequantized_rows(layer), got_bias) - outputs(layer, rows, layer.rows, bias)).mean(
        axis=0
    )


LAYERS = {
    "dense": layer_of(normal(6, 4, 3, 3), bias=normal(6)),
    "without bias": layer_of(normal(6, 4, 3, 3)),
    "grouped": layer_of(normal(6, 2, 3, 3), groups=2, bias=normal(6)),
    "all alike": layer_of(1 + np.float32(0.002) * normal(6, 4, 3, 3), bias=normal(6)),
    "depthwise": layer_of(normal(6, 1, 3, 3), groups=6, bias=normal(6)),
}


@pytest.mark.parametrize("granularity", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("bits", [8, 7])
@pytest.mark.parametrize("name", LAYERS)
def test_corrected_biases_leave_no_mean_error_over_the_rows_they_saw(name, bits, granularity):
    layer = LAYERS[name]
    rows = correlated_rows(layer.groups, layer.columns)
    ways = made(layer, rows, weight_bits=bits, weight_granularity=granularity)
    assert list(ways) == [NEAREST, BIAS, ROUNDING_BIAS]
    for way in (BIAS, ROUNDING_BIAS):
        step = np.broadcast_to(ways[way].bias_scale, (layer.channels,))
        assert (np.abs(mean_errors(layer, rows, ways[way])) <= 0.51 * step + 1e-6).all()
    assert np.abs(mean_errors(layer, rows, ways[NEAREST])).max() > 10 * np.abs(mean_errors(layer, rows, ways[BIAS])).max()


@pytest.mark.parametrize("name", LAYERS)
def test_rounding_with_moments_leaves_less_error_than_nearest(name):
    layer = LAYERS[name]
    rows = correlated_rows(layer.groups, layer.columns)
    ways = made(layer, rows)
    wanted = outputs(layer, rows, layer.rows, 0.0 if layer.bias is None else layer.bias)
    noise = {
        way: np.square(outputs(layer, rows, ways[way].dequantized_rows(layer), ways[way].dequantized_bias) - wanted).mean()
        for way in (BIAS, ROUNDING_BIAS)
    }
    assert noise[ROUNDING_BIAS] < 0.7 * noise[BIAS]


@pytest.mark.parametrize(
    ("settings", "ways"),
    [
        ({}, [NEAREST, BIAS, ROUNDING_BIAS]),
        ({"rounding": False}, [NEAREST, BIAS]),
        ({"bias_correction": False}, [NEAREST, ROUNDING]),
        ({"rounding": False, "bias_correction": False}, [NEAREST]),
    ],
)
def test_what_is_switched_off_is_not_made(settings, ways):
    layer = LAYERS["dense"]
    rows = correlated_rows(1, layer.columns)
    assert list(made(layer, rows, **settings)) == ways


def test_without_moments_weights_are_nearest_and_biases_stay():
    layer = LAYERS["dense"]
    ((_, ways),) = fit_weights([(layer, None)], GRIDS, SETTINGS)
    plain = round_all_to_nearest({"layer": layer}, GRIDS)["layer"]
    for integers in ways.values():
        np.testing.assert_array_equal(integers.weight_q, plain.weight_q)
        np.testing.assert_array_equal(integers.bias_q, plain.bias_q)


def test_channel_means_of_the_statistics_correct_a_pointwise_layer_as_moments_do():
    """A 1x1 convolution sees each channel at each position once, so both sources have the same means."""
    weight, bias = normal(6, 4, 1, 1), normal(6)
    model = model_of([conv("x", "y", "w", "b", name="layer", pads=(0,) * 4)], {"w": weight, "b": bias})
    samples = samples_for(model, 12)
    statistics = collect_statistics(
        get_runtime("onnxruntime"), model, ["x"], samples, histogram=False, threads=1, on_batch=lambda _: None
    )
    layer = layer_of(weight, bias=bias)
    by_channels = correct_by_channel_means({"layer": layer}, GRIDS, statistics, SETTINGS)["layer"]
    rows = np.moveaxis(np.concatenate(samples), 1, -1).reshape(1, -1, 4)
    by_moments = made(layer, rows)[BIAS]
    assert np.abs(by_channels.bias_q - by_moments.bias_q).max() <= 1
    assert np.abs(by_channels.bias_q - made(layer, rows)[NEAREST].bias_q).max() > 10


@pytest.mark.parametrize("name", LAYERS)
def test_no_pair_of_7_bit_weights_passes_16_bits_however_they_are_rounded(name):
    """Rounding with moments carries errors on: weights that are all alike, at the limit, are pushed beyond it."""
    layer = LAYERS[name]
    rows = correlated_rows(layer.groups, layer.columns)
    for way, integers in made(layer, rows, weight_bits=7).items():
        assert layer_risk(layer, layer.rows_of(integers.weight_q)).pairs == 0, way
    if name != "depthwise":  # which is never cut off
        assert layer_risk(layer, layer.rows_of(made(layer, rows)[ROUNDING_BIAS].weight_q)).pairs > 0


def network():
    """Three convolutions and an upsampling one, whose pairs are channels of one pixel."""
    nodes = [
        conv("x", "a", "w1", "b1", name="first"),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("ConvTranspose", ["r", "w2"], ["up"], name="up", strides=[2, 2]),
        conv("up", "c", "w3", name="second"),
        helper.make_node("Relu", ["c"], ["d"], name="relu2"),
        conv("d", "y", "w4", name="last"),
    ]
    constants = {
        "w1": normal(15, 4, 3, 3),
        "b1": normal(15),
        "w2": np.abs(normal(15, 12, 2, 2)),
        "w3": normal(16, 12, 3, 3),
        "w4": normal(6, 16, 3, 3),
    }
    return model_of(nodes, constants, shape=("N", 4, 8, 8))


def test_a_delivered_7_bit_file_has_no_pair_at_risk_and_is_better_than_64_steps(tmp_path):
    model = network()
    samples, others = samples_for(model, 48), samples_for(model, 16, seed=1)
    quantized = quantize_default(model, samples, tmp_path, replace(SETTINGS, weight_bits=7))
    weights = [
        onnx_rows(quantized.model, consumer)
        for consumer in quantized.model.graph.node
        if consumer.op_type in {"Conv", "Gemm", "MatMul"}
    ]
    assert len(weights) == 4
    for layer, rows_q in weights:
        assert layer_risk(layer, rows_q).pairs == 0, layer.node
    wanted = outputs_of(model, others)["y"]
    safe = outputs_of(quantized.model, others)["y"]
    assert np.square(safe - wanted).mean() < 0.6 * np.square(with_64_steps(quantized, others) - wanted).mean()


def onnx_rows(model, node):
    """A layer of the delivered file and its int8 rows, by the names in the file alone."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    dequantize = next(other for other in model.graph.node if other.output[0] == node.input[1])
    weight_q = constants[dequantize.input[0]]
    axis = 0 if node.op_type == "Conv" else 1
    attributes = {attribute.name: attribute for attribute in node.attribute}
    groups = attributes["group"].i if "group" in attributes else 1
    layer = Layer(node.name, node.op_type, "", "", "", weight_q.astype(np.float32), axis, "", None, groups, {})
    return layer, layer.rows_of(weight_q)


def with_64_steps(quantized, others):
    """Outputs of the same file with weights of -64..64, rounded to nearest and as it was else."""
    graph, grids = quantized.fit.graph, quantized.fit.fitted.grids
    integers = {}
    for name, layer in find_layers(graph.graph, frozenset(quantized.placement.quantized)).items():
        input_scale = np.float32(grids[layer.activation].scale)
        scales = weight_scales(layer, input_scale) * np.float32(127 / 64)
        integers[name] = quantized_layer(layer, round_to_nearest(layer.rows, scales), scales, layer.bias, input_scale)
    return outputs_of(assemble(graph, quantized.placement, Fitted(grids, integers)), others)["y"]
