"""Nodes that compute the same become one."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.quantize.merging import merge_equal_nodes


def model_of(*nodes: onnx.NodeProto, outputs=("y",), **constants: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def two(op: str, first: str, second: str, **attributes) -> list[onnx.NodeProto]:
    """Two nodes, and one that reads both."""
    a = helper.make_node(op, first.split(), ["a"], name="first", **attributes)
    b = helper.make_node(op, second.split(), ["b"], name="second", **attributes)
    return [a, b, helper.make_node("Add", ["a", "b"], ["y"], name="sum")]


def test_equal_constants_under_two_names_are_equal():
    model = model_of(*two("Reshape", "x s1", "x s2"), s1=np.array([3, 4]), s2=np.array([3, 4]))
    assert merge_equal_nodes(model) == ("second",)
    assert list(model.graph.node[-1].input) == ["a", "a"]
    assert [node.name for node in model.graph.node] == ["first", "sum"]


def test_different_shapes_inputs_and_attributes_stay_apart():
    assert merge_equal_nodes(model_of(*two("Reshape", "x s1", "x s2"), s1=np.array([3, 4]), s2=np.array([4, 3]))) == ()
    assert merge_equal_nodes(model_of(*two("Relu", "x", "a"))) == ()
    nodes = two("LeakyRelu", "x", "x", alpha=0.1)
    nodes[1].attribute[0].f = 0.2
    assert merge_equal_nodes(model_of(*nodes)) == ()


def test_chains_merge_whole():
    nodes = [helper.make_node("Relu", ["x"], ["p"], name="p"), helper.make_node("Relu", ["x"], ["q"], name="q")]
    model = model_of(*nodes, *two("Neg", "p", "q"))
    assert merge_equal_nodes(model) == ("q", "second")


def test_outputs_of_the_model_and_chance_are_kept():
    assert merge_equal_nodes(model_of(*two("Relu", "x", "x"), outputs=("y", "b"))) == ()
    assert merge_equal_nodes(model_of(*two("RandomNormalLike", "x", "x"))) == ()


def test_what_a_subgraph_reads_is_kept():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["b"], ["r"], name="inner")],
        "branch",
        [],
        [helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, None)],
    )
    choice = helper.make_node("If", ["c"], ["z"], name="if", then_branch=branch, else_branch=branch)
    model = model_of(*two("Relu", "x", "x"), choice, outputs=("y", "z"), c=np.array(True))
    assert merge_equal_nodes(model) == ()
