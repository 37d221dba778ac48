"""Values that are tied to one set of channels, and the constants of the layers at their ends.

inside   Q/DQ per tensor, Relu, Clip, pooling, gates: channel c of the output depends on channel c of the input alone;
         Add, Mul and the like of two values; depthwise Conv
ends     Conv (group 1) that writes a value of the domain, or reads one
else     a graph input or output, Concat, Reshape, a constant per channel: no domain
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex

UNARY = frozenset(
    {"AveragePool", "Clip", "DequantizeLinear", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity"}
    | {"LeakyRelu", "MaxPool", "QuantizeLinear", "Relu", "Sigmoid", "Tanh"}
)
BINARY = frozenset({"Add", "Max", "Min", "Mul", "Sub"})


class ChannelDomain:
    """The domain around a depthwise layer with so many channels; empty until `reach`."""

    def __init__(self, graph: onnx.GraphProto, index: GraphIndex, channels: int) -> None:
        self._graph, self._index, self._channels = graph, index, channels
        self._values: set[str] = set()
        self._writers: dict[str, onnx.NodeProto] = {}
        self._readers: dict[str, onnx.NodeProto] = {}
        self.depthwise: dict[str, onnx.NodeProto] = {}

    def reach(self, start: str) -> bool:
        """Grow the domain from a value; False when it meets something that ties channels in another way."""
        outside = {value.name for value in (*self._graph.input, *self._graph.output)}
        waiting = [start]
        while waiting:
            value = waiting.pop()
            if value in self._values:
                continue
            self._values.add(value)
            producer = self._index.producer(value)
            if value in outside or producer is None:
                return False
            for node in (producer, *self._index.consumers(value)):
                tied = self._tied(node, value)
                if tied is None:
                    return False
                waiting += tied
        return self._separable()

    def constants(self) -> Iterator[tuple[str, int, bool]]:
        """(constant, its channel axis, whether it is a scale), of weights, biases and their grids."""
        for node in (*self._writers.values(), *self.depthwise.values()):
            for name in node.input[1:]:
                yield from self._parts(name, 0)
        for node in self._readers.values():
            yield next(self._parts(node.input[1], 1))

    def _tied(self, node: onnx.NodeProto, value: str) -> list[str] | None:
        """Values tied to this one by the node; None when it ties channels in another way."""
        if node.op_type in UNARY:
            plain = len(node.output) == 1 and all(not name or self._size(name) == 1 for name in node.input[1:])
            return [node.input[0], node.output[0]] if plain else None
        if node.op_type in BINARY:
            operands = [name for name in node.input if self._size(name) != 1]
            return None if any(self._size(name) for name in operands) else [*operands, node.output[0]]
        if node.op_type != "Conv" or value in node.input[1:] or constant_weight(node, self._index) is None:
            return None
        if depthwise_channels(node, self._index) == self._channels:
            self.depthwise[node.name] = node
            return [node.input[0], node.output[0]]
        ends = self._writers if value == node.output[0] else self._readers
        ends[node.name] = node
        return [] if groups_of(node) == 1 else None

    def _size(self, name: str) -> int:
        """Elements of a constant, integer ones behind DequantizeLinear, too; 0 for what is computed."""
        tensor = constant_of(name, self._index)
        return 0 if tensor is None else int(np.prod(tensor.dims))

    def _separable(self) -> bool:
        """No constant of the domain is read by anything else, or twice."""
        readers = Counter(name for node in self._graph.node for name in node.input)
        names = [name for name, _axis, _scale in self.constants()]
        return len(names) == len(set(names)) and all(readers[name] == 1 for name in names)

    def _parts(self, name: str, axis: int) -> Iterator[tuple[str, int, bool]]:
        """The constant itself; of a DequantizeLinear its integers first, then a scale and zero point per channel."""
        node = self._index.producer(name)
        if node is None:
            if name:
                yield name, axis, False
            return
        yield node.input[0], axis, False
        for position, parameter in enumerate(node.input[1:]):
            if self._size(parameter) > 1:
                yield parameter, 0, position == 0


def depthwise_channels(node: onnx.NodeProto, index: GraphIndex) -> int | None:
    """C of a Conv with C groups of one channel in and out; None for any other node."""
    weight = constant_weight(node, index) if node.op_type == "Conv" and groups_of(node) > 1 else None
    if weight is None or weight.dims[0] != groups_of(node) or weight.dims[1] != 1:
        return None
    return int(weight.dims[0])


def groups_of(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def constant_weight(node: onnx.NodeProto, index: GraphIndex) -> onnx.TensorProto | None:
    """A layer's weights, float or integer; None unless weights and bias are constants."""
    tensors = [constant_of(name, index) for name in node.input[1:] if name]
    return None if None in tensors or not tensors else tensors[0]


def constant_of(name: str, index: GraphIndex) -> onnx.TensorProto | None:
    """The initializer of this name, or the integers behind its DequantizeLinear."""
    node = index.producer(name)
    return index.initializer(node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name)
