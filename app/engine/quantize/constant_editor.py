"""Constants of single nodes, multiplied per channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.graph.walk import nodes_within
from app.engine.quantize.migration_groups import MigrationGroup, Slot


class ConstantEditor:
    """Constants of single nodes, changed without touching what other nodes read."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._nodes = {node.name: node for node in model.graph.node}
        self._initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self._changed: dict[tuple[str, int], np.ndarray] = {}

    def rows(self, slot: Slot) -> np.ndarray:
        """(N, K): the weight with its channels last."""
        return np.asarray(np.moveaxis(self._constant(slot), slot.axis, -1))

    def move(self, group: MigrationGroup, factors: np.ndarray) -> None:
        for slot in group.readers:
            self._multiply(slot, factors)
        for slot in group.absorbers:
            self._multiply(slot, 1 / factors)

    def _multiply(self, slot: Slot, factors: np.ndarray) -> None:
        values = self._constant(slot)
        missing = values.shape[slot.axis] - len(factors)  # of a joint Q, K, V only V is scaled
        shape = [1] * values.ndim
        shape[slot.axis] = -1
        scaled = values * np.concatenate([np.ones(missing, np.float32), factors]).reshape(shape)
        self._changed[slot.node, slot.position] = scaled.astype(np.float32)

    def _constant(self, slot: Slot) -> np.ndarray:
        changed = self._changed.get((slot.node, slot.position))
        if changed is not None:
            return changed
        return np.asarray(numpy_helper.to_array(self._initializers[self._nodes[slot.node].input[slot.position]]))

    def model(self) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        graph = model.graph
        made: Mapping[tuple[str, int], str] = {key: f"{key[0]}_{key[1]}_migrated" for key in self._changed}
        for node in graph.node:
            for position in range(len(node.input)):
                node.input[position] = made.get((node.name, position), node.input[position])
        read = {name for node in nodes_within(graph.node) for name in node.input} | {value.name for value in graph.output}
        kept = [tensor for tensor in self._model.graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend([*kept, *(numpy_helper.from_array(self._changed[key], name) for key, name in made.items())])
        return model
