"""A float model in which the values of any one group can be rounded to any grid, without another session.

    active                      int32, the number of the group to round; -1 for none
    step, smallest, largest     the grid: values become step * clip(round(x / step), smallest, largest)

    x  ->  If (active = k)  then Mul(Clip(Round(Div(x, step)), smallest, largest), step)  else x

Opening a session costs as much as running a few images, and there are as many groups as layers. The rounding is spelled out: a
Q/DQ pair would make the runtime quantize float weights beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.engine.graph.names import Names
from app.engine.numerics.affine import QParams

PREFIX = "rounding_switch"
ACTIVE, STEP, SMALLEST, LARGEST = (f"{PREFIX}_{name}" for name in ("active", "step", "smallest", "largest"))


def with_switches(model: onnx.ModelProto, groups: Sequence[Sequence[str]]) -> onnx.ModelProto:
    """A copy whose readers of the values of group k get them rounded when `active` is k; more inputs behind the model's own."""
    switched = onnx.ModelProto()
    switched.CopyFrom(model)
    graph = switched.graph
    fresh = Names(graph).fresh
    numbers = {value: number for number, values in enumerate(groups) for value in values}
    nodes = [helper.make_node("Equal", [ACTIVE, f"{PREFIX}_{k}"], [f"{PREFIX}_{k}_on"]) for k in range(len(groups))]
    renamed = {value.name: fresh(f"{value.name}_switched") for value in graph.input if value.name in numbers}
    nodes += [_switch(value, switched_value, numbers[value], fresh) for value, switched_value in renamed.items()]
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        nodes.append(node)
        for position, name in enumerate(node.output):
            if name in numbers:  # the switch writes the value itself, so that a caller gets it rounded, too
                node.output[position] = fresh(f"{name}_exact")
                nodes.append(_switch(node.output[position], name, numbers[name], fresh))
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(np.int32(k), f"{PREFIX}_{k}") for k in range(len(groups)))
    graph.input.append(helper.make_tensor_value_info(ACTIVE, TensorProto.INT32, []))
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in (STEP, SMALLEST, LARGEST))
    return switched


def feeds_for(group: int, grid: QParams) -> dict[str, np.ndarray]:
    """Inputs that round group number `group` to this grid of 8 bits."""
    zero_point = np.float32(grid.zero_point)
    limits = np.iinfo(grid.zero_point.dtype)
    return {
        ACTIVE: np.asarray(group, np.int32),
        STEP: np.asarray(grid.scale, np.float32),
        SMALLEST: np.asarray(limits.min - zero_point, np.float32),
        LARGEST: np.asarray(limits.max - zero_point, np.float32),
    }


def _switch(value: str, switched: str, group: int, fresh: Callable[[str], str]) -> onnx.NodeProto:
    steps, whole, cut, rounded, plain = (fresh(f"{value}_{name}") for name in ("steps", "whole", "cut", "rounded", "plain"))
    rounding = [
        helper.make_node("Div", [value, STEP], [steps]),
        helper.make_node("Round", [steps], [whole]),
        helper.make_node("Clip", [whole, SMALLEST, LARGEST], [cut]),
        helper.make_node("Mul", [cut, STEP], [rounded]),
    ]
    then = helper.make_graph(rounding, "rounded", [], [helper.make_tensor_value_info(rounded, TensorProto.FLOAT, None)])
    identity = [helper.make_node("Identity", [value], [plain])]
    otherwise = helper.make_graph(identity, "plain", [], [helper.make_tensor_value_info(plain, TensorProto.FLOAT, None)])
    return helper.make_node("If", [f"{PREFIX}_{group}_on"], [switched], then_branch=then, else_branch=otherwise)
