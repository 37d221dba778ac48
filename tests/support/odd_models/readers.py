"""Values with unusual readers: outputs, branches, functions, nobody."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.support.odd_models.building import conv, model_of, node, normal, odd, two_convolutions


@odd
def output_is_read_by_a_later_node() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, None))
    return model


@odd
def output_before_the_activation_that_reads_it() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, None))
    return model


@odd
def input_is_an_output() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.node.append(node("Identity", ["x"], "same"))
    model.graph.output.append(helper.make_tensor_value_info("same", TensorProto.FLOAT, None))
    return model


@odd
def constant_output() -> onnx.ModelProto:
    model = two_convolutions()
    model.graph.output.append(helper.make_tensor_value_info("b2", TensorProto.FLOAT, [6]))
    return model


@odd
def unused_nodes_and_constants() -> onnx.ModelProto:
    model = two_convolutions(spare=normal(3, 3), w3=normal(8, 8, 1, 1))
    model.graph.node.extend([conv("r", "nowhere", "w3", name="third", pads=[0] * 4), node("Exp", ["spare"], "nothing")])
    return model


@odd
def same_value_twice() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1", "b1"),
        node("Add", ["a", "a"], "twice"),
        node("Mul", ["twice", "twice"], "square"),
        node("Concat", ["square", "square"], "wide", axis=1),
        conv("wide", "y", "w2"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "b1": normal(8), "w2": normal(6, 16, 3, 3, seed=1)})


@odd
def pooling_with_indices() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1"),
        helper.make_node("MaxPool", ["a"], ["p", "indices"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        conv("p", "c", "w2"),
        helper.make_node("MaxUnpool", ["c", "indices"], ["y"], name="unpool", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "w2": normal(8, 8, 3, 3, seed=1)})


@odd
def branch_reads_values_from_outside() -> onnx.ModelProto:
    """An If whose branches read a convolution's raw output and a constant of the outer graph."""
    then = helper.make_graph([node("Add", ["a", "outer"], "t")], "then", [], [helper.make_tensor_value_info("t", 1, None)])
    other = helper.make_graph([node("Sub", ["a", "outer"], "e")], "else", [], [helper.make_tensor_value_info("e", 1, None)])
    nodes = [
        conv("x", "a", "w1", "b1", "first"),
        node("Relu", ["a"], "r"),
        node("ReduceSum", ["x"], "total", keepdims=0),
        node("Greater", ["total", "zero"], "positive"),
        helper.make_node("If", ["positive"], ["branch"], name="choice", then_branch=then, else_branch=other),
        node("Add", ["r", "branch"], "s"),
        conv("s", "y", "w2", name="second"),
    ]
    constants = {
        "w1": normal(8, 4, 3, 3),
        "b1": normal(8),
        "w2": normal(6, 8, 3, 3, seed=1),
        "outer": normal(8, 1, 1),
        "zero": np.float32(0),
    }
    return model_of(nodes, constants)


@odd
def functions_of_the_model() -> onnx.ModelProto:
    """The convolutions are calls of a function that the file defines."""
    body = [helper.make_node("Conv", ["i", "w", "b"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["o"])]
    function = helper.make_function("local", "Block", ["i", "w", "b"], ["o"], body, [helper.make_opsetid("", 17)])
    model = two_convolutions()
    del model.graph.node[:]
    calls = (("x", "w1", "b1", "m"), ("m", "w2", "b2", "y"))
    model.graph.node.extend(helper.make_node("Block", call[:3], call[3:], name=call[3], domain="local") for call in calls)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model
