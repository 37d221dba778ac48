"""Where a factor per channel can be moved from an activation into the weights that read it, exactly.

    x -> MatMul/Gemm W_1 … W_n       becomes       x / s -> diag(s) W_1 … diag(s) W_n

The division costs nothing when the constants that make x absorb it. `_absorbers` walks back from x over what a factor per
channel of the last axis passes unchanged, to constants that take it:

    takes it    LayerNormalization (scale, bias); Mul with a vector, as at the end of a decomposed LayerNormalization or an
                RMSNorm; MatMul and Gemm with constant weights (their output channels)
    passes it   Add of a vector (which is divided as well); Relu, LeakyRelu (s > 0); Mul of two activations (into one of them);
                Reshape, Transpose, Split, Gather, Slice, Squeeze and the attention's product P V, as between V and O

Behind the last kind channel j of x need not be channel j of the constant: the correspondence that `channels` guesses (the same
channels, or the last third: V in a joint Q, K, V) is tested by the caller with random factors before it is used.

Refused: a value that somebody else reads, too (the residual Add of a post-norm block); a scalar constant, for it belongs to a
pattern that the runtime fuses (the 0.5 of a decomposed GELU), and GELU itself, which no factor passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from app.engine.graph.index import GraphIndex

POSITIVELY_HOMOGENEOUS = frozenset({"Identity", "LeakyRelu", "Relu"})
MOVING = frozenset({"Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"})

READ_ELSEWHERE = "something else reads it, too"
NO_ABSORBER = "nothing in front of it takes a factor per channel"


@dataclass(frozen=True)
class Slot:
    """A constant as one node reads it: other nodes may read the same initializer."""

    node: str
    position: int
    axis: int
    """Of the channels."""


@dataclass(frozen=True)
class MigrationGroup:
    value: str
    """x, (…, K)."""
    channels: int
    """K."""
    readers: tuple[Slot, ...]
    """Weights W_i, K along their axis."""
    absorbers: tuple[Slot, ...]
    """Constants that make x; K or, for a joint Q, K, V, 3 K along their axis."""
    moved: bool
    """Whether values are moved in between, so that the correspondence of channels must be tested."""


def find_groups(graph: onnx.GraphProto) -> tuple[tuple[MigrationGroup, ...], dict[str, str]]:
    """The groups in graph order, and for every other input of a constant matrix: value -> reason."""
    return _Search(graph).run()


class _Search:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._index = graph, GraphIndex(graph)
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._outputs = {value.name for value in graph.output}

    def run(self) -> tuple[tuple[MigrationGroup, ...], dict[str, str]]:
        groups: list[MigrationGroup] = []
        refused: dict[str, str] = {}
        read = dict.fromkeys(node.input[0] for node in self._graph.node if self._reader(node) is not None)
        for value in read:
            readers = [self._reader(node) for node in self._index.consumers(value)]
            slots = tuple(slot for slot in readers if slot is not None)
            sizes = {self._size(slot) for slot in slots}
            if len(slots) < len(readers) or value in self._outputs or len(sizes) != 1:
                refused[value] = READ_ELSEWHERE
                continue
            (channels,) = sizes
            absorbers = self._absorbers(value, channels)
            if absorbers is None:
                refused[value] = NO_ABSORBER
                continue
            found, moved = absorbers
            groups.append(MigrationGroup(value, channels, slots, found, moved))
        return tuple(groups), refused

    def _reader(self, node: onnx.NodeProto) -> Slot | None:
        """The weight of a MatMul or Gemm that reads input 0 by its last axis."""
        if not self._is_linear(node):
            return None
        attributes = _attributes(node)
        return None if attributes.get("transA", 0) else Slot(node.name, 1, 1 if attributes.get("transB", 0) else 0)

    def _is_linear(self, node: onnx.NodeProto) -> bool:
        return node.op_type in {"MatMul", "Gemm"} and node.domain == "" and len(self._shapes.get(node.input[1], ())) == 2

    def _size(self, slot: Slot) -> int:
        node = next(node for node in self._graph.node if node.name == slot.node)
        return int(self._shapes[node.input[slot.position]][slot.axis])

    def _absorbers(self, value: str, channels: int) -> tuple[tuple[Slot, ...], bool] | None:
        """(constants, whether values were moved on the way); None when a factor cannot get through."""
        node = self._index.producer(value)
        if node is None or node.domain != "":
            return None
        if node.op_type == "LayerNormalization":
            return self._normalization(node, channels)
        if self._is_linear(node):
            return self._linear(node, channels)
        if node.op_type in POSITIVELY_HOMOGENEOUS:
            return self._behind(node.input[0], channels)
        if node.op_type in MOVING:
            return _moved(self._behind(node.input[0], channels, several=node.op_type in {"Gather", "Slice"}))
        if node.op_type == "MatMul":
            return _moved(self._behind(node.input[1], channels))
        return self._elementwise(node, channels) if node.op_type in {"Add", "Mul"} else None

    def _behind(self, value: str, channels: int, *, several: bool = False) -> tuple[tuple[Slot, ...], bool] | None:
        """As `_absorbers`, of a value on the way: nobody else may read it, but for the parts of a joint Q, K, V."""
        if value in self._outputs or (not several and len(self._index.consumers(value)) > 1):
            return None
        return self._absorbers(value, channels)

    def _normalization(self, node: onnx.NodeProto, channels: int) -> tuple[tuple[Slot, ...], bool] | None:
        constants = [name for name in node.input[1:3] if name]
        if any(self._shapes.get(name) != (channels,) for name in constants):
            return None
        return tuple(Slot(node.name, position, 0) for position in range(1, 1 + len(constants))), False

    def _linear(self, node: onnx.NodeProto, channels: int) -> tuple[tuple[Slot, ...], bool] | None:
        axis = 0 if _attributes(node).get("transB", 0) else 1
        size = self._shapes[node.input[1]][axis]
        if size not in (channels, 3 * channels):
            return None
        slots = [Slot(node.name, 1, axis)]
        if len(node.input) > 2 and node.input[2]:
            shape = self._shapes.get(node.input[2], ())
            if not shape or shape[-1] != size:
                return None
            slots.append(Slot(node.name, 2, len(shape) - 1))
        return tuple(slots), size != channels

    def _elementwise(self, node: onnx.NodeProto, channels: int) -> tuple[tuple[Slot, ...], bool] | None:
        position = next((k for k, name in enumerate(node.input) if name in self._shapes), None)
        if position is None:
            sides = (self._behind(name, channels) for name in reversed(node.input)) if node.op_type == "Mul" else ()
            return next((side for side in sides if side is not None), None)
        shape = self._shapes[node.input[position]]
        if not shape or shape[-1] not in (channels, 3 * channels) or int(np.prod(shape)) != shape[-1]:
            return None
        own = Slot(node.name, position, len(shape) - 1)
        if node.op_type == "Mul":
            return (own,), shape[-1] != channels
        rest = self._behind(node.input[1 - position], channels)
        return None if rest is None else ((own, *rest[0]), rest[1] or shape[-1] != channels)


def _moved(found: tuple[tuple[Slot, ...], bool] | None) -> tuple[tuple[Slot, ...], bool] | None:
    return None if found is None else (found[0], True)


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
