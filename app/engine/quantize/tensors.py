"""Which values get a grid, which share one, and which Relu or Clip is folded into the grid of its output.

Sharing (placement.md §1): an op that only moves or selects values keeps its integers only when input and output have the same
scale and zero point; Concat is five times faster then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.graph.index import GraphIndex
from app.engine.quantize.placement import ONNXRUNTIME, Placement, Profile

DATA_INPUTS = {"Clip": 1, "Reshape": 1, "Squeeze": 1, "Unsqueeze": 1, "Resize": 1, "Conv": 1, "Gemm": 1, "MatMul": 1}
"""How many leading inputs are data; the others are shapes, limits or constants. Every input elsewhere."""
FLOAT_OUTPUT = frozenset({"Gemm", "MatMul"})
"""Their integer kernels give float output for free, so a value that only float nodes read is not rounded."""


@dataclass(frozen=True)
class TensorPlan:
    gridded: tuple[str, ...]
    """Values with a grid, in graph order."""
    shared: dict[str, str]
    """Value -> representative of its sharing group (itself when alone)."""
    folded: dict[str, str]
    """Relu or Clip node -> the value it reads, whose producer will write the node's output directly."""
    clip: dict[str, tuple[float, float]]
    """Output value of a folded node -> the limits its grid must not exceed."""


def plan_tensors(
    model: onnx.ModelProto, placement: Placement, signed: Collection[str] = (), profile: Profile = ONNXRUNTIME
) -> TensorPlan:
    """
    Args:
        signed: Values that go below 0 on the calibration samples; they never share a grid with others in a Concat, since a
            Relu in front of it is folded into a grid that ends at 0.
    """
    index = GraphIndex(model.graph)
    placed = set(placement.quantized)
    outputs = {value.name for value in model.graph.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    folded, clip = _find_folded(model.graph, index, placed, outputs, constants, profile)
    gridded: dict[str, None] = {}
    for node in model.graph.node:
        if node.name not in placed:
            continue
        data = [] if node.name in folded else node.input[: DATA_INPUTS.get(node.op_type, len(node.input))]
        gridded.update(dict.fromkeys(name for name in data if name and name not in constants))
        for name in node.output[:1]:
            consumers = index.consumers(name)
            needed = node.op_type not in FLOAT_OUTPUT or any(consumer.name in placed for consumer in consumers)
            inside = not (len(consumers) == 1 and consumers[0].name in folded)
            if needed and inside and name not in outputs:
                gridded[name] = None
    shared = _share(model.graph, placed, set(gridded), set(signed), profile)
    return TensorPlan(tuple(gridded), shared, folded, clip)


def _find_folded(
    graph: onnx.GraphProto,
    index: GraphIndex,
    placed: set[str],
    outputs: set[str],
    constants: Mapping[str, onnx.TensorProto],
    profile: Profile,
) -> tuple[dict[str, str], dict[str, tuple[float, float]]]:
    """Relu and Clip that are the only consumer of a placed weighted or elementwise node."""
    folded: dict[str, str] = {}
    clip: dict[str, tuple[float, float]] = {}
    for node in graph.node:
        if node.name not in placed or node.op_type not in profile.folded:
            continue
        source = node.input[0]
        producer = index.producer(source)
        alone = len(index.consumers(source)) == 1 and source not in outputs and node.output[0] not in outputs
        if producer is None or producer.name not in placed or not alone or producer.op_type in profile.carrying:
            continue
        limits = _limits(node, constants)
        if limits is not None and limits[0] <= 0 <= limits[1]:
            folded[node.name] = source
            clip[node.output[0]] = limits
    return folded, clip


def _limits(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> tuple[float, float] | None:
    """Smallest and largest output; None when they are computed in the graph."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    limits = [-np.inf, np.inf]
    for position, name in enumerate(node.input[1:3]):
        if name:
            if name not in constants:
                return None
            limits[position] = float(numpy_helper.to_array(constants[name]).reshape(-1)[0])
    return limits[0], limits[1]


def _share(graph: onnx.GraphProto, placed: set[str], gridded: set[str], signed: set[str], profile: Profile) -> dict[str, str]:
    """Union of the values that carrying nodes and Concat tie together."""
    parent = {name: name for name in gridded}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in graph.node:
        if node.name not in placed or node.op_type not in profile.carrying | {"Concat"}:
            continue
        data = node.input[: DATA_INPUTS.get(node.op_type, len(node.input))]
        tied = [name for name in (*data, node.output[0]) if name in gridded]
        if node.op_type == "Concat" and len({name in signed for name in data}) > 1:
            continue
        for name in tied[1:]:
            parent[find(name)] = find(tied[0])
    return {name: find(name) for name in gridded}
