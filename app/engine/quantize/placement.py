"""Which nodes become INT8, by the profile of the runtime that will run the file.

A profile lists what has integer kernels *there* (placement.md §1, §9): quantizing anything else only adds conversions.
Here the onnxruntime profile. Roles:

    weighted      Conv, Gemm, MatMul with constant weights: where the time goes; INT8 starts and ends here
    elementwise   integer kernels that keep a chain of weighted nodes integer (Add of two branches, Concat, …)
    carrying      moves or selects values, so output and input share scale and zero point (MaxPool, Reshape, …)
    folded        disappears into the producer's output range (Relu, Clip)

A node that is not weighted becomes INT8 only between weighted nodes: it must have a quantized ancestor through such
nodes, and a weighted node must come later, so the tail behind the last weighted node (Softmax, decoding) stays float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class Profile:
    runtime: str
    weighted: frozenset[str]
    elementwise: frozenset[str]
    carrying: frozenset[str]
    folded: frozenset[str]


ONNXRUNTIME = Profile(
    runtime="onnxruntime",
    weighted=frozenset({"Conv", "Gemm", "MatMul"}),
    elementwise=frozenset({"Add", "Concat", "GlobalAveragePool", "LeakyRelu", "Mul", "Sigmoid"}),
    carrying=frozenset({"Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}),
    folded=frozenset({"Clip", "Relu"}),
)
PROFILES = {ONNXRUNTIME.runtime: ONNXRUNTIME}

REVERTED = "put back to float by the accuracy search"
NO_KERNEL = "has no integer kernel in this runtime"
NOT_CONSTANT = "its weights are not constant"
NOT_BETWEEN = "does not lie between quantized layers"
CONSTANT_OPERAND = "one operand is a constant"


@dataclass(frozen=True)
class Placement:
    quantized: tuple[str, ...]
    """Node names in graph order."""
    groups: tuple[str, ...]
    """Those that can be put back to float one by one: weighted and elementwise nodes."""
    kept_in_float: dict[str, str]
    """Every other node that computes: name -> reason."""


def place(model: onnx.ModelProto, profile: Profile, keep_float: Mapping[str, str] | None = None) -> Placement:
    """Decide for each node of a prepared graph (unique names, topological order).

    Args:
        keep_float: Node name -> the reason why it stays in float although it could be quantized.
    """
    keep_float = keep_float or {}
    nodes = list(model.graph.node)
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds_weighted = _values_that_reach(nodes, profile.weighted)
    quantized_values: set[str] = set()
    quantized: list[str] = []
    groups: list[str] = []
    reasons: dict[str, str] = {}
    for node in nodes:
        reason = _why_not(node, profile, constants, quantized_values, feeds_weighted)
        if reason is None and node.name in keep_float:
            reason = keep_float[node.name]
        if reason is not None:
            reasons[node.name] = reason
            continue
        quantized.append(node.name)
        quantized_values.update(node.output)
        if node.op_type in profile.weighted | profile.elementwise:
            groups.append(node.name)
    return Placement(tuple(quantized), tuple(groups), reasons)


def _why_not(
    node: onnx.NodeProto, profile: Profile, constants: set[str], quantized_values: set[str], feeds_weighted: set[str]
) -> str | None:
    if node.op_type in profile.weighted:
        return None if len(node.input) > 1 and node.input[1] in constants else NOT_CONSTANT
    if node.op_type not in profile.elementwise | profile.carrying | profile.folded:
        return NO_KERNEL
    operands = [name for name in node.input if name and name not in constants]
    if node.op_type in {"Add", "Mul"} and len(operands) < len(node.input):
        return CONSTANT_OPERAND
    behind_quantized = any(name in quantized_values for name in operands)
    if not behind_quantized:
        return NOT_BETWEEN
    if node.op_type in profile.folded:
        return None
    return None if any(name in feeds_weighted for name in node.output) else NOT_BETWEEN


def _values_that_reach(nodes: list[onnx.NodeProto], op_types: Collection[str]) -> set[str]:
    """Names of values that some node of these types reads, directly or through other nodes."""
    reaching: set[str] = set()
    for node in reversed(nodes):
        if node.op_type in op_types or any(name in reaching for name in node.output):
            reaching.update(name for name in node.input if name)
    return reaching
