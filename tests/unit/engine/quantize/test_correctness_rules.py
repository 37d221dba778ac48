"""Rules that are bugs when broken (accuracy.md §2, placement.md §1), each on its smallest example in the real runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.numerics.affine import dequantize, quantize
from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.engine.quantize.fitting import split_samples
from app.engine.quantize.layers import Layer
from app.engine.quantize.observation import exact_pixels
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.tensors import plan_tensors
from app.engine.quantize.weights import quantized_layer, round_to_nearest, weight_scales
from app.errors import WorkbenchError
from tests.support.model_builder import save


def layer_of(weight, bias):
    return Layer("conv", "Conv", "x", "y", "w", np.asarray(weight, np.float32), 0, "b", np.asarray(bias, np.float32), 1, {})


def test_bias_of_a_dead_channel_survives():
    """Its weights are nearly 0, so its own scale would send the bias past int32."""
    layer = layer_of([[[[1e-12]]], [[[0.5]]]], [3.0, 1.0])
    scales = weight_scales(layer, np.float32(0.01))
    packed = quantized_layer(layer, round_to_nearest(layer.rows, scales), scales, layer.bias, np.float32(0.01))
    np.testing.assert_allclose(packed.bias_q * packed.bias_scale.astype(np.float64), layer.bias, rtol=1e-6)


def test_bias_scale_is_the_float32_product():
    layer = layer_of(np.random.default_rng(0).normal(size=(8, 3, 3, 3)), np.ones(8))
    input_scale = np.float32(1 / 3)
    scales = weight_scales(layer, input_scale)
    packed = quantized_layer(layer, round_to_nearest(layer.rows, scales), scales, layer.bias, input_scale)
    np.testing.assert_array_equal(packed.bias_scale, input_scale * packed.weight_scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_node(bad):
    with pytest.raises(WorkbenchError) as refused:
        weight_scales(layer_of([[[[bad]]]], [0.0]), np.float32(1.0))
    assert (refused.value.code, refused.value.where) == ("quantize.not_finite", "conv")


def input_grid(preprocessing, folder):
    """Of two convolutions on images."""
    model, _ = concat_of("Relu", "Relu")
    prepared = prepare_graph(save(model, folder / "m.onnx"), folder / "p.onnx")
    return exact_pixels(prepared, plan_tensors(prepared, place(prepared, ONNXRUNTIME)), preprocessing)


@pytest.mark.parametrize(("mean", "divide_by"), [((127.0,) * 3, (128.0,) * 3), ((0.0,) * 3, (255.0,) * 3), ((0.0,), (1.0,))])
def test_input_grid_holds_8_bit_pixels_exactly(mean, divide_by, tmp_path):
    preprocessing = Preprocessing(16, 16, mean=mean, divide_by=divide_by)
    grid = input_grid(preprocessing, tmp_path)["x"]
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(len(mean), axis=3)
    x = normalize(pixels, preprocessing)
    np.testing.assert_allclose(dequantize(quantize(x, grid), grid), x, atol=1e-6)


@pytest.mark.parametrize(("mean", "divide_by"), [((127.5,) * 3, (127.5,) * 3), ((104.0, 117.0, 123.0), (1.0,) * 3)])
def test_no_exact_grid_for_half_pixels_and_means_per_channel(mean, divide_by, tmp_path):
    assert input_grid(Preprocessing(16, 16, mean=mean, divide_by=divide_by), tmp_path) == {}


def concat_of(left, right):
    """Two convolutions of x, each through an activation ("" for none), concatenated, then a third convolution."""
    nodes, weights = [], {}
    for value, (name, activation) in enumerate((("a", left), ("b", right)), start=1):
        weights[f"{name}_w"] = np.full((2, 3, 1, 1), value, np.float32)
        nodes.append(helper.make_node("Conv", ["x", f"{name}_w"], [f"{name}_conv"], name=name))
        if activation:
            nodes.append(helper.make_node(activation, [f"{name}_conv"], [f"{name}_out"], name=f"{name}_act"))
    ends = [f"a_{'out' if left else 'conv'}", f"b_{'out' if right else 'conv'}"]
    weights["c_w"] = np.ones((2, 4, 1, 1), np.float32)
    nodes += [
        helper.make_node("Concat", ends, ["cat"], name="concat", axis=1),
        helper.make_node("Conv", ["cat", "c_w"], ["y"], name="c"),
    ]
    shape = ["batch", 3, 4, 4]
    graph = helper.make_graph(
        nodes,
        "concat",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2, 4, 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), ends


def test_concat_of_two_relus_shares_one_grid(tmp_path):
    model, ends = concat_of("Relu", "Relu")
    prepared = prepare_graph(save(model, tmp_path / "m.onnx"), tmp_path / "p.onnx")
    plan = plan_tensors(prepared, place(prepared, ONNXRUNTIME))
    assert len({plan.shared[name] for name in (*ends, "cat")}) == 1
    assert set(plan.folded) == {"a_act", "b_act"}


def test_a_folded_relu_never_shares_a_grid_with_signed_values(tmp_path):
    """On a grid that goes below 0 the dropped Relu would no longer cut."""
    model, ends = concat_of("Relu", "")
    prepared = prepare_graph(save(model, tmp_path / "m.onnx"), tmp_path / "p.onnx")
    plan = plan_tensors(prepared, place(prepared, ONNXRUNTIME), signed={ends[1], "cat"})
    assert plan.shared[ends[0]] != plan.shared[ends[1]]


@pytest.mark.parametrize(("n", "fitting", "held_out"), [(1, 1, 0), (2, 2, 0), (3, 2, 1), (30, 16, 14), (100, 32, 64)])
def test_what_is_fitted_is_never_what_decides(n, fitting, held_out):
    samples = [np.full(1, k) for k in range(n)]
    fit, judge = split_samples(samples, multiply_adds=1)
    assert (len(fit), len(judge)) == (fitting, held_out)
    assert not {int(x[0]) for x in fit} & {int(x[0]) for x in judge}
