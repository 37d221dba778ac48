"""Names that a rewriting may stumble over."""

from __future__ import annotations

import numpy as np
import onnx

from tests.support.odd_models.building import conv, model_of, node, normal, odd, two_convolutions


@odd
def nodes_without_names() -> onnx.ModelProto:
    model = two_convolutions()
    for entry in model.graph.node:
        entry.name = ""
    return model


@odd
def names_with_odd_characters() -> onnx.ModelProto:
    names = {
        "x": "ein gang/0:0",
        "a": "weiß \u2603",
        "r": "a" * 3000,
        "y": "../../out put",
        "w1": "w{1}",
        "b1": 'b"1',
        "w2": "w\\2",
        "b2": "%s",
    }
    model = two_convolutions()
    for entry in model.graph.node:
        entry.name = f"/{entry.name} *?[{{"
        entry.input[:] = [names[name] for name in entry.input]
        entry.output[:] = [names[name] for name in entry.output]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.name = names[value.name]
    return model


@odd
def names_that_an_insertion_would_use() -> onnx.ModelProto:
    """`bn` has a constant `bn_scale`, as exporters call it, and other values end in _q, _dq, _zero_point, _quantize."""
    constants = {"w1": normal(8, 4, 3, 3), "w2": normal(8, 8, 3, 3, seed=1), "first_weight_q": normal(8, 1, 1)}
    constants |= {"bn_scale": np.float32([3.0]), "bn_zero_point": np.float32([0.5]), "x_scale": np.float32(2.0)}
    nodes = [
        node("Mul", ["x", "x_scale"], "x_q", name="x_quantize"),
        conv("x_q", "x_dq", "w1", name="first"),
        node("Tanh", ["x_dq"], "bn", name="x_q_dequantize"),
        node("Mul", ["bn", "bn_scale"], "bn_q"),
        node("Add", ["bn_q", "bn_zero_point"], "bn_dq"),
        conv("bn_dq", "c", "w2", name="second"),
        node("Sub", ["c", "first_weight_q"], "d"),
        node("Tanh", ["bn"], "e"),
        node("Add", ["e", "d"], "y"),
    ]
    return model_of(nodes, constants)
