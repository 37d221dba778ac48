"""New names beside those of a graph."""

from __future__ import annotations

import onnx

from app.engine.graph.walk import nodes_within


class Names:
    """Of nodes and values of one graph and its subgraphs, as they are now."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._taken = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
        for node in nodes_within(graph.node):
            self._taken.update((node.name, *node.input, *node.output))

    def fresh(self, stem: str) -> str:
        """`stem`, lengthened where the graph has that name; always the same for the same stem."""
        while stem in self._taken:
            stem += "_"
        return stem
