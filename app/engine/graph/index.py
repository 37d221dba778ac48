"""Who writes a value, who reads it."""

from __future__ import annotations

import onnx


class GraphIndex:
    """Look-ups over one graph as it is now; make a new one after an edit."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._producers = {name: node for node in graph.node for name in node.output if name}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                if name:
                    self._consumers.setdefault(name, []).append(node)
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}

    def producer(self, value: str) -> onnx.NodeProto | None:
        """The node that writes `value`; None for graph inputs and initializers."""
        return self._producers.get(value)

    def consumers(self, value: str) -> tuple[onnx.NodeProto, ...]:
        """Nodes that read `value`, in graph order, each once."""
        return tuple(self._consumers.get(value, ()))

    def initializer(self, value: str) -> onnx.TensorProto | None:
        return self._initializers.get(value)


def model_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller must feed: files before IR 4 list their weights as inputs, too."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]
