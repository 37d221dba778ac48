"""Free, empty and 0-d shapes; inputs that are no floats."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.support.odd_models.building import conv, model_of, node, normal, odd, two_convolutions


@odd
def shapes_all_free() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C", "H", "W"]))
    return model


@odd
def no_shape_at_all() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


@odd
def scalar_output() -> onnx.ModelProto:
    """A 0-d result, by a 0-d factor."""
    model = two_convolutions(factor=np.float32(1.5))
    model.graph.node[-1].output[0] = "c"
    model.graph.node.extend([node("Mul", ["c", "factor"], "m"), node("ReduceMean", ["m"], "y", keepdims=0)])
    return model


@odd
def empty_tensor() -> onnx.ModelProto:
    """A Slice of no rows, joined to a convolution's output, and an empty constant."""
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Slice", ["a", "start", "end", "axis"], "none"),
        node("Concat", ["a", "none", "blank"], "r", axis=1),
        conv("r", "y", "w2"),
    ]
    axis = np.array([1])
    constants = {
        "w1": normal(8, 4, 3, 3),
        "b1": normal(8),
        "w2": normal(6, 8, 3, 3, seed=1),
        "start": axis,
        "end": axis,
        "axis": axis,
    }
    return model_of(nodes, constants | {"blank": np.zeros((1, 0, 8, 8), np.float32)})


@odd
def token_ids() -> onnx.ModelProto:
    """Integers into an embedding, a linear layer, the mean."""
    nodes = [
        node("Gather", ["table", "x"], "e"),
        node("MatMul", ["e", "w1"], "m"),
        node("Relu", ["m"], "r"),
        node("ReduceMean", ["r"], "p", axes=[1], keepdims=0),
        node("Gemm", ["p", "w2", "b"], "y"),
    ]
    constants = {"table": normal(16, 8), "w1": normal(8, 16), "w2": normal(16, 4), "b": normal(4)}
    return model_of(nodes, constants, shape=("N", "T"), kind=TensorProto.INT64)


@odd
def pixels_as_bytes() -> onnx.ModelProto:
    """uint8 input, Cast and scaled inside."""
    nodes = [
        node("Cast", ["x"], "f", to=TensorProto.FLOAT),
        node("Mul", ["f", "unit"], "u"),
        conv("u", "a", "w1", "b1"),
        node("Relu", ["a"], "r"),
        conv("r", "y", "w2"),
    ]
    constants = {"unit": np.float32(1 / 255), "w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 8, 3, 3, seed=1)}
    return model_of(nodes, constants, kind=TensorProto.UINT8)


@odd
def integer_output() -> onnx.ModelProto:
    """Class numbers, not scores, beside the scores."""
    model = two_convolutions()
    model.graph.node.append(node("ArgMax", ["y"], "label", axis=1))
    model.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, None))
    return model


@odd
def batch_written_into_the_graph() -> onnx.ModelProto:
    """Input (1, …), Reshape to [1, …] and to [-1]."""
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Relu", ["a"], "r"),
        node("Reshape", ["r", "flat"], "f"),
        node("Reshape", ["f", "rows"], "g"),
        node("MatMul", ["g", "w2"], "h"),
        node("Reshape", ["h", "once"], "i"),
        node("Gemm", ["i", "w3"], "y"),
    ]
    constants = {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(64, 5), "w3": normal(40, 6)}
    constants |= {"flat": np.array([-1]), "rows": np.array([1, 8, 64]), "once": np.array([1, 40])}
    return model_of(nodes, constants, shape=(1, 4, 8, 8))


@odd
def batch_on_another_axis() -> onnx.ModelProto:
    """Time first, as recurrent networks want it: (N, C, T) -> (T, N, C), a GRU, linear layers on its last state."""
    hidden = 32
    nodes = [
        conv("x", "a", "w1", "b1", kernel_shape=[3], pads=[1, 1]),
        node("Transpose", ["a"], "t", perm=[2, 0, 1]),
        helper.make_node("GRU", ["t", "wi", "wr"], ["", "h"], name="gru", hidden_size=hidden),
        node("Squeeze", ["h", "zero"], "s"),
        node("Gemm", ["s", "w2", "b2"], "g"),
        node("Relu", ["g"], "r"),
        node("Gemm", ["r", "w3"], "y"),
    ]
    constants = {
        "w1": normal(16, 4, 3),
        "b1": normal(16),
        "w2": normal(hidden, 64),
        "b2": normal(64),
        "w3": normal(64, 64, seed=1),
    }
    constants |= {"wi": normal(1, 3 * hidden, 16) * 4, "wr": normal(1, 3 * hidden, hidden) * 4, "zero": np.array([0])}
    return model_of(nodes, constants, shape=("N", 4, 24))


@odd
def windows_in_the_batch() -> onnx.ModelProto:
    """Rows folded into the batch axis by Reshape and unfolded again, as in window attention."""
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Reshape", ["a", "apart"], "p"),
        node("MatMul", ["p", "w2"], "m"),
        node("Relu", ["m"], "r"),
        node("Reshape", ["r", "together"], "q"),
        node("Gemm", ["q", "w3"], "y"),
    ]
    constants = {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(16, 16), "w3": normal(512, 6)}
    constants |= {"apart": np.array([-1, 4, 16]), "together": np.array([-1, 512])}
    return model_of(nodes, constants)
