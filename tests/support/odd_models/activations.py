"""Padding, transposed groups, Clip in all its forms, activations in a row."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tests.support.odd_models.building import conv, model_of, node, normal, odd


@odd
def padding_by_name() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Relu", ["a"], "r"),
        helper.make_node("Conv", ["r", "w2"], ["b"], name="second", auto_pad="SAME_LOWER"),
        helper.make_node("Conv", ["b", "w3"], ["y"], name="third", auto_pad="VALID"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 4, 4), "b1": normal(8), "w2": normal(8, 8, 2, 2), "w3": normal(6, 8, 3, 3)})


@odd
def padding_on_one_side() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1", "b1", pads=[2, 0, 0, 1], strides=[3, 1]),
        node("Relu", ["a"], "r"),
        conv("r", "y", "w2", pads=[0, 1, 1, 2], dilations=[1, 2]),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 2, 3, seed=1)})


@odd
def transposed_groups() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Relu", ["a"], "r"),
        node("ConvTranspose", ["r", "w2"], "u", group=2, strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1]),
        conv("u", "y", "w3"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(8, 5, 3, 3), "w3": normal(6, 10, 3, 3)})


def _clipped(low: float | None, high: float | None) -> onnx.ModelProto:
    limits = {"low": low, "high": high}
    constants = {name: np.float32(limit) for name, limit in limits.items() if limit is not None}
    inputs = ["a", "low" if low is not None else "", "high" if high is not None else ""]
    nodes = [conv("x", "a", "w1", "b1"), node("Clip", inputs, "r"), conv("r", "y", "w2")]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 3, 3, seed=1)} | constants)


@odd
def clip_above_zero() -> onnx.ModelProto:
    """0 is not within the limits, so no grid's end stands for them."""
    return _clipped(0.25, 0.75)


@odd
def clip_below_zero() -> onnx.ModelProto:
    return _clipped(-0.75, -0.1)


@odd
def clip_around_zero() -> onnx.ModelProto:
    return _clipped(-0.2, 0.5)


@odd
def clip_without_upper_limit() -> onnx.ModelProto:
    return _clipped(-0.3, None)


@odd
def clip_to_one_value() -> onnx.ModelProto:
    return _clipped(0.5, 0.5)


@odd
def clip_by_computed_limits() -> onnx.ModelProto:
    nodes = [
        node("ReduceMean", ["x"], "high", keepdims=0),
        conv("x", "a", "w1", "b1"),
        node("Clip", ["a", "low", "high"], "r"),
        conv("r", "y", "w2"),
    ]
    constants = {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 3, 3, seed=1), "low": np.float32(0)}
    return model_of(nodes, constants)


@odd
def relu_behind_clip_behind_relu() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Relu", ["a"], "r"),
        node("Clip", ["r", "low", "high"], "c"),
        node("Relu", ["c"], "s"),
        node("MaxPool", ["s"], "p", kernel_shape=[2, 2]),
        node("Relu", ["p"], "t"),
        conv("t", "y", "w2"),
    ]
    constants = {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 3, 3, seed=1)}
    return model_of(nodes, constants | {"low": np.float32(-1), "high": np.float32(0.6)})


@odd
def activations_in_a_row() -> onnx.ModelProto:
    """Each with another consumer beside the next."""
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Sigmoid", ["a"], "s"),
        node("LeakyRelu", ["s"], "l", alpha=0.2),
        node("Relu", ["l"], "r"),
        node("Add", ["r", "s"], "m"),
        node("Concat", ["m", "a", "l"], "k", axis=1),
        conv("k", "y", "w2"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 24, 3, 3, seed=1)})


@odd
def broadcast_between_activations() -> onnx.ModelProto:
    """Add and Mul of a map with a row, and of ranks 4 and 2."""
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("GlobalAveragePool", ["a"], "p"),
        node("Add", ["a", "p"], "s"),
        node("ReduceMax", ["a"], "m", axes=[0, 1], keepdims=0),
        node("Mul", ["s", "m"], "t"),
        node("Mul", ["t", "row"], "u"),
        conv("u", "y", "w2"),
    ]
    constants = {
        "w1": normal(8, 4, 3, 3),
        "b1": normal(8),
        "w2": normal(6, 8, 3, 3, seed=1),
        "row": np.linspace(0.5, 2, 8, dtype=np.float32),
    }
    return model_of(nodes, constants)
