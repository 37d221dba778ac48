"""Weights and biases of unusual size or origin."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from tests.support.odd_models.building import conv, model_of, node, normal, odd, two_convolutions


@odd
def one_channel_everywhere() -> onnx.ModelProto:
    nodes = [conv("x", "a", "w1", pads=[0] * 4), node("Relu", ["a"], "r"), conv("r", "y", "w2", "b", pads=[0] * 4)]
    weights = {
        "w1": np.full((1, 1, 1, 1), 1.5, np.float32),
        "w2": np.full((1, 1, 1, 1), 0.5, np.float32),
        "b": np.float32([0.1]),
    }
    return model_of(nodes, weights, shape=("N", 1, 8, 8))


@odd
def all_zero_weights() -> onnx.ModelProto:
    return two_convolutions(w1=np.zeros((8, 4, 3, 3), np.float32))


@odd
def all_zero_last_layer() -> onnx.ModelProto:
    return two_convolutions(w2=np.zeros((6, 8, 3, 3), np.float32))


@odd
def everything_zero() -> onnx.ModelProto:
    zeros = {"w2": (6, 8, 3, 3), "b2": (6,), "w1": (8, 4, 3, 3), "b1": (8,)}
    return two_convolutions(**{name: np.zeros(shape, np.float32) for name, shape in zeros.items()})


@odd
def huge_weights() -> onnx.ModelProto:
    return two_convolutions(w1=normal(8, 4, 3, 3) * np.float32(1e15), w2=normal(6, 8, 3, 3, seed=1) * np.float32(1e15))


@odd
def tiny_weights() -> onnx.ModelProto:
    """1e-12 times the usual, and multiplied back: nothing that a scale could not hold."""
    small = np.float32(1e-12)
    model = two_convolutions(w1=normal(8, 4, 3, 3) * small, b1=normal(8) * small, b2=normal(6) * small)
    model.graph.node[-1].output[0] = "small"
    model.graph.node.append(node("Div", ["small", "unit"], "y"))
    model.graph.initializer.append(numpy_helper.from_array(small, "unit"))
    return model


@odd
def vanishing_weights() -> onnx.ModelProto:
    """1e-30: products are denormal or 0 on the way, the answer is not."""
    small = np.float32(1e-30)
    model = two_convolutions(w1=normal(8, 4, 3, 3) * small, b1=normal(8) * small, b2=normal(6) * small)
    model.graph.node[-1].output[0] = "small"
    model.graph.node.append(node("Div", ["small", "unit"], "y"))
    model.graph.initializer.append(numpy_helper.from_array(small, "unit"))
    return model


@odd
def one_huge_channel() -> onnx.ModelProto:
    """Channel 0 is a million times larger than the others; the next layer scales it back."""
    w1, w2 = normal(8, 4, 3, 3), normal(6, 8, 3, 3, seed=1)
    w1[0] *= 1e6
    w2[:, 0] /= 1e6
    return two_convolutions(w1=w1, w2=w2)


@odd
def huge_bias() -> onnx.ModelProto:
    """A bias 1e7 times the weights in one channel, as in a dead one; the next layer hardly reads it."""
    bias, w2 = normal(8), normal(6, 8, 3, 3, seed=1)
    bias[3] = 1e4
    w2[:, 3] *= 1e-6
    w1 = normal(8, 4, 3, 3)
    w1[3] *= 1e-3
    return two_convolutions(b1=bias, w1=w1, w2=w2)


@odd
def constant_channels() -> onnx.ModelProto:
    """Half of the channels give a constant whatever the input; one is always cut by the Relu."""
    w1, bias = normal(8, 4, 3, 3), normal(8)
    w1[4:] = 0
    bias[:4], bias[4:] = -0.2, [0.3, 0.0, -5.0, 2.0]
    return two_convolutions(w1=w1, b1=bias)


@odd
def weight_read_by_others() -> onnx.ModelProto:
    """The weight of a linear layer is also looked up as an embedding and multiplied as an activation (tied weights)."""
    nodes = [
        node("ReduceMean", ["x"], "m", axes=[2, 3], keepdims=0),
        node("Gemm", ["m", "w", "b"], "g", transB=1),
        node("Relu", ["g"], "r"),
        node("Gather", ["w", "row"], "e", axis=0),
        node("Add", ["r", "e"], "s"),
        node("MatMul", ["s", "w"], "y"),
    ]
    return model_of(nodes, {"w": normal(4, 4), "b": normal(4), "row": np.int64(2)})


@odd
def computed_bias() -> onnx.ModelProto:
    """The bias of a convolution comes out of the graph."""
    nodes = [
        node("ReduceMean", ["x"], "m", axes=[0, 2, 3], keepdims=0),
        node("Concat", ["m", "m"], "bias", axis=0),
        conv("x", "a", "w1", "bias", "first"),
        node("Relu", ["a"], "r"),
        conv("r", "y", "w2", name="second"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "w2": normal(6, 8, 3, 3, seed=1)})
