"""Where channels are and what cannot be negative, read from the graph."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.engine.calibration.axes import channel_axes, never_negative


def graph(*nodes, **constants):
    listed = [helper.make_node(op, inputs.split(), [output], name=output) for op, inputs, output in nodes]
    weights = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    return helper.make_graph(listed, "g", [value], [value], weights)


def test_readers_decide_then_the_writer():
    made = graph(("Conv", "x w", "a"), ("Transpose", "a", "b"), ("MatMul", "b m", "c"), ("Softmax", "c", "d"))
    assert channel_axes(made, {"x": 4, "a": 4, "b": 4, "c": 4, "d": 4}) == {"x": 1, "a": 1, "b": 3, "c": 3, "d": 1}


def test_elementwise_nodes_pass_the_axis_on_both_ways():
    made = graph(("MatMul", "x m", "a"), ("Add", "a r", "s"), ("Relu", "s", "t"), ("LayerNormalization", "u g", "v"))
    assert channel_axes(made, {"x": 3, "a": 3, "r": 3, "s": 3, "t": 3, "u": 3}) == {**dict.fromkeys("xarstu", 2)}


def test_short_values_have_their_last_axis():
    assert channel_axes(graph(("Relu", "x", "y")), {"x": 2, "y": 1, "z": 0}) == {"x": 1, "y": 0}


@pytest.mark.parametrize(
    ("nodes", "positive"),
    [
        ([("Relu", "x", "a"), ("MaxPool", "a", "b"), ("Concat", "a b", "c")], {"a", "b", "c"}),
        ([("Relu", "x", "a"), ("Concat", "a x", "c")], {"a"}),
        ([("Clip", "x zero six", "a"), ("Flatten", "a", "b")], {"a", "b"}),
        ([("Clip", "x minus six", "a")], set()),
        ([("Clip", "x computed", "a")], set()),
        ([("Sigmoid", "x", "a"), ("Mul", "a x", "b")], {"a"}),
    ],
)
def test_what_cannot_be_negative(nodes, positive):
    assert never_negative(graph(*nodes, zero=0.0, six=6.0, minus=-1.0)) == positive
