"""What the graph says about its values before anything runs: where their channels are, and which cannot be negative.

Channel axis: what the readers treat as channels. 1 for the input of Conv and of pooling, the last for that of Gemm and
MatMul; else what the producer wrote; else as in the neighbours through elementwise nodes of the same rank; else 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

CHANNELS_FIRST = frozenset(
    {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization"}
)
CHANNELS_LAST = frozenset({"Gemm", "MatMul", "LayerNormalization"})
ELEMENTWISE = frozenset(
    {"Add", "Clip", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"}
)
NEVER_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Exp", "Abs"})
MOVING = frozenset({"Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Their output is never negative when none of their inputs is."""


def channel_axes(graph: onnx.GraphProto, ranks: Mapping[str, int]) -> dict[str, int]:
    """Value name -> axis, for every value of known rank >= 1."""
    found: dict[str, int] = {}
    for node in graph.node:  # the readers decide, so they come last and overwrite what the producer wrote
        if node.op_type in CHANNELS_FIRST | CHANNELS_LAST and node.output[0] in ranks:
            found[node.output[0]] = _axis(node, ranks[node.output[0]])
    for node in reversed(graph.node):  # on a disagreement of readers the first one of the graph
        if node.op_type in CHANNELS_FIRST | CHANNELS_LAST and node.input[0] in ranks:
            found[node.input[0]] = _axis(node, ranks[node.input[0]])
    for listed in (list(graph.node), list(reversed(graph.node))):
        for node in listed:
            if node.op_type in ELEMENTWISE:
                _spread(node, ranks, found)
    return {name: found.get(name, min(1, rank - 1)) for name, rank in ranks.items() if rank}


def _axis(node: onnx.NodeProto, rank: int) -> int:
    return rank - 1 if node.op_type in CHANNELS_LAST else min(1, rank - 1)


def _spread(node: onnx.NodeProto, ranks: Mapping[str, int], found: dict[str, int]) -> None:
    names = [name for name in (*node.input, *node.output) if name in ranks]
    known = next((name for name in names if name in found), None)
    for name in names:
        if known is not None and name not in found and ranks[name] == ranks[known]:
            found[name] = found[known]


def never_negative(graph: onnx.GraphProto) -> frozenset[str]:
    """Values that are 0 or more whatever the input."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: set[str] = set()
    for node in graph.node:
        moved = [name for name in (node.input if node.op_type == "Concat" else node.input[:1]) if name]
        if (
            node.op_type in NEVER_NEGATIVE
            or (node.op_type in MOVING and all(name in found for name in moved))
            or (node.op_type == "Clip" and _lower_limit(node, constants) >= 0)
        ):
            found.update(node.output[:1])
    return frozenset(found)


def _lower_limit(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> float:
    if len(node.input) < 2 or node.input[1] not in constants:
        return -1.0
    return float(numpy_helper.to_array(constants[node.input[1]]).reshape(-1)[0])
