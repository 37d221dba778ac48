"""The float graph as units that are INT8 or float as a whole, and the values between them.

A unit is a node with the neighbours that its kernels compute too: Conv and Relu, Sigmoid and Mul of a SiLU. A node that has no
kernel of its own in the float file belongs to its only reader, one that has none in the INT8 file to its producer. Unit 0 is
the outside, which feeds the inputs and reads the outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.quantize.speed.costs import Costs

OUTSIDE = 0


@dataclass(frozen=True)
class Value:
    """Something computed by one unit and read by others."""

    elements: int
    """Of one sample."""
    units: tuple[int, ...]
    """The one that writes it first."""


@dataclass(frozen=True)
class Units:
    quantized: tuple[tuple[str, ...], ...]
    """Unit -> its nodes that are INT8 now, in graph order."""
    float_us: tuple[float, ...]
    int8_us: tuple[float, ...]
    values: tuple[Value, ...]

    @property
    def fixed(self) -> tuple[bool, ...]:
        """Whether a unit is float whatever is decided."""
        return tuple(not nodes for nodes in self.quantized)


def find_units(model: onnx.ModelProto, quantized: Collection[str], costs: Costs) -> Units:
    """
    Args:
        model: The float graph, nodes with unique names.
        quantized: Names of the nodes that are INT8 now.
    """
    index = GraphIndex(model.graph)
    unit_of = _unite(model.graph, index, costs)
    members: list[list[str]] = [[] for _ in range(1 + max(unit_of.values(), default=0))]
    for node in model.graph.node:
        members[unit_of[node.name]].append(node.name)
    return Units(
        quantized=tuple(tuple(name for name in unit if name in quantized) for unit in members),
        float_us=tuple(sum(costs.float_us.get(name, 0.0) for name in unit) for unit in members),
        int8_us=tuple(sum(costs.int8_us.get(name, 0.0) for name in unit) for unit in members),
        values=_values(model, index, unit_of),
    )


def _unite(graph: onnx.GraphProto, index: GraphIndex, costs: Costs) -> dict[str, int]:
    """Node -> number of its unit, from 1."""
    parent = {node.name: node.name for node in graph.node}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in graph.node:
        readers = [reader for name in node.output for reader in index.consumers(name)]
        producer = index.producer(node.input[0]) if node.input else None
        if node.name not in costs.float_us and len(readers) == 1:
            parent[find(node.name)] = find(readers[0].name)
        if node.name not in costs.int8_us and producer is not None:
            parent[find(node.name)] = find(producer.name)
    numbers: dict[str, int] = {}
    return {node.name: numbers.setdefault(find(node.name), len(numbers) + 1) for node in graph.node}


def _values(model: onnx.ModelProto, index: GraphIndex, unit_of: Mapping[str, int]) -> tuple[Value, ...]:
    graph, sizes = model.graph, _elements(model)
    outputs = {value.name for value in graph.output}
    weights = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in weights]
    names += [name for node in graph.node for name in node.output if name]
    found = []
    for name in names:
        producer = index.producer(name)
        writer = OUTSIDE if producer is None else unit_of[producer.name]
        readers = {unit_of[node.name] for node in index.consumers(name)} | ({OUTSIDE} if name in outputs else set())
        if readers - {writer} and sizes.get(name):
            found.append(Value(sizes[name], (writer, *sorted(readers - {writer}))))
    return tuple(found)


def _elements(model: onnx.ModelProto) -> dict[str, int]:
    """Value -> elements of one sample, as far as known: an unknown batch counts as 1, another unknown size leaves it out."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes: dict[str, int] = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if all(dims[1:]):
            sizes[value.name] = int(np.prod([dims[0] or 1, *dims[1:]])) if dims else 1
    return sizes
