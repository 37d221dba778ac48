"""A float graph while it is rewritten: who reads what, which values are constant, which shapes are known.

Assumed of the graph: topological order, unique node names, every value written once. Kept by every edit: inputs and outputs of
the graph, and constants that others share (a changed constant is a new one).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph import walk
from app.engine.graph.index import model_inputs

ONNX_DOMAINS = frozenset({"", "ai.onnx"})


class GraphEditor:
    """Edits a copy of the nodes; `commit` writes them into the model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self.nodes = [_copy(node) for node in model.graph.node]
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._added: set[str] = set()
        values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
        self._types = {value.name: value.type.tensor_type for value in values}
        within = (node for top in model.graph.node for node in walk.nodes_within([top]) if node is not top)
        self._pinned = {value.name for value in model.graph.output} | {name for node in within for name in node.input}
        """Values that someone reads who is no node of this graph: its caller, or a node in a branch or loop."""
        self._taken = {node.name for node in self.nodes} | set(self._constants) | set(self._types)
        self._taken.update(name for node in self.nodes for name in node.output)
        self._index()

    def _index(self) -> None:
        self._producers = {name: node for node in self.nodes for name in node.output if name}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def only_input(self) -> str | None:
        """The graph's input; None when it has several."""
        names = [value.name for value in model_inputs(self._graph)]
        return names[0] if len(names) == 1 else None

    def producer(self, value: str) -> onnx.NodeProto | None:
        return self._producers.get(value)

    def readers(self, value: str) -> tuple[onnx.NodeProto, ...] | None:
        """Nodes that read `value`, once per input; None when someone outside the graph's nodes reads it, too."""
        return None if value in self._pinned else tuple(self._readers.get(value, ()))

    def only_reader(self, value: str) -> onnx.NodeProto | None:
        """The one node that reads `value`, once; None when there are more or others."""
        readers = self.readers(value)
        return readers[0] if readers is not None and len(readers) == 1 else None

    def constant(self, value: str) -> np.ndarray | None:
        tensor = self._constants.get(value)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def scalar(self, value: str) -> float | None:
        """The constant's only element."""
        tensor = self._constants.get(value)
        if tensor is None or int(np.prod(tensor.dims)) != 1:
            return None
        return float(numpy_helper.to_array(tensor).reshape(()))

    def shape(self, value: str) -> tuple[int | None, ...] | None:
        """Sizes, None for those not known; None when not even the rank is."""
        if value in self._constants:
            return tuple(self._constants[value].dims)
        kind = self._types.get(value)
        if kind is None or not kind.HasField("shape"):
            return None
        return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim)

    def is_float32(self, value: str) -> bool:
        kind = self._types.get(value)
        return kind is not None and kind.elem_type == onnx.TensorProto.FLOAT

    def unique(self, stem: str) -> str:
        """`stem`, or with a number where that is taken; taken from now on."""
        name, number = stem, 1
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name

    def add_constant(self, stem: str, values: np.ndarray) -> str:
        name = self.unique(stem)
        # not ascontiguousarray, which makes 0-d arrays 1-d: no integer kernel takes such a scale (placement.md §1, trap 4)
        self._constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        self._added.add(name)
        return name

    def set_input(self, node: onnx.NodeProto, position: int, value: str) -> None:
        """Of a node of this graph; missing optional inputs before it become empty."""
        while len(node.input) <= position:
            node.input.append("")
        node.input[position] = value
        self._index()

    def replace(self, old: Sequence[onnx.NodeProto], new: Iterable[onnx.NodeProto]) -> None:
        """`new` stands where the last of `old` stood, so what `old` read is there already and nobody read its result before."""
        gone = {id(node) for node in old}
        last = max(position for position, node in enumerate(self.nodes) if id(node) in gone)
        kept_before = [node for node in self.nodes[:last] if id(node) not in gone]
        self.nodes = [*kept_before, *new, *self.nodes[last + 1 :]]
        self._index()

    def insert_before(self, reader: onnx.NodeProto, new: onnx.NodeProto) -> None:
        position = next(position for position, node in enumerate(self.nodes) if node is reader)
        self.nodes.insert(position, new)
        self._index()

    def remove(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Nodes whose results nobody reads any more."""
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]
        self._index()

    def bypass(self, node: onnx.NodeProto, value: str) -> None:
        """Remove `node`, whose result is read by nodes of this graph only; they read `value` in its place."""
        result = node.output[0]
        for reader in self._readers.get(result, ()):
            for position, name in enumerate(reader.input):
                if name == result:
                    reader.input[position] = value
        self.nodes = [other for other in self.nodes if other is not node]
        self._index()

    def absorb(self, node: onnx.NodeProto, producer: onnx.NodeProto) -> None:
        """Remove `node`, the only reader of `producer`, which writes its result in its place."""
        producer.output[0] = node.output[0]
        self.nodes = [other for other in self.nodes if other is not node]
        self._index()

    def commit(self) -> None:
        """The edited nodes into the model; constants and types that nobody names any more are dropped."""
        del self._graph.node[:]
        self._graph.node.extend(self.nodes)
        self._graph.initializer.extend(self._constants[name] for name in self._constants if name in self._added)
        read = {name for node in walk.nodes_within(self._graph.node) for name in node.input}
        read.update(value.name for value in self._graph.output)
        _keep(self._graph.initializer, read)
        _keep(self._graph.value_info, {name for node in self._graph.node for name in node.output})


def attribute_of(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """The value of the node's attribute; `default` where it is left out."""
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default


def ints_of(node: onnx.NodeProto, name: str, default: Sequence[int] = ()) -> list[int]:
    for attribute in node.attribute:
        if attribute.name == name:
            return list(attribute.ints)
    return list(default)


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    for attribute in list(node.attribute):
        if attribute.name == name:
            node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def pads_itself(node: onnx.NodeProto) -> bool:
    """Whether the runtime chooses the node's padding (auto_pad = SAME_UPPER or SAME_LOWER)."""
    return str(attribute_of(node, "auto_pad", b"").decode()).startswith("SAME")


def is_standard(node: onnx.NodeProto, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX itself."""
    return node.op_type in op_types and node.domain in ONNX_DOMAINS


def _keep(entries: Any, names: set[str]) -> None:
    """Drop entries of a protobuf list that are not among `names`, in place, last ones first."""
    for position in range(len(entries) - 1, -1, -1):
        if entries[position].name not in names:
            del entries[position]


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
