"""Nodes of a graph, each run alone on all samples of a set.

    N   samples
    x   a value of all of them: what each sample alone gives, one after the other along axis 0; (N,) for values without axes

A node runs on all samples as one batch where that gives what it gives for each alone. It does not where axis 0 is no batch:
behind a Transpose to (time, batch, channels), or where the graph has the batch written into it. Such a node runs N times. The
first and the last sample tell which kind a node is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.runtimes.base import Runtime, Session
from app.errors import WorkbenchError

RELATIVE_TOLERANCE = 1e-3
"""Of a batch against single samples: sums in another order, no more."""


class NodeRunner:
    def __init__(self, runtime: Runtime, model: onnx.ModelProto, *, samples: int, threads: int) -> None:
        self._runtime, self._model, self._n, self._threads = runtime, model, samples, threads
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._one_by_one: dict[str, bool] = {}
        """By node, once known."""
        self._scalars: set[str] = set()
        """Values without axes."""

    def run(
        self, node: onnx.NodeProto, values: Mapping[str, np.ndarray], replaced: Mapping[str, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Its outputs.

        Args:
            values: At least those it reads.
            replaced: Other values for some constants.

        Raises:
            WorkbenchError: `runtime.*` when the node cannot run alone (one with a subgraph that reads outer values).
        """
        constants = {**self._constants, **(replaced or {})}
        feeds = {name: values[name] for name in dict.fromkeys(node.input) if name and name not in constants}
        used = {name: constants[name] for name in node.input if name in constants}
        model = _single_node_model(self._model, node, feeds, used, self._scalars)
        session = self._runtime.open(model.SerializeToString(), threads=self._threads)
        together = self._together(node, session, feeds)
        if together is not None:
            return together
        alone = [session.run(self._sample(feeds, k)) for k in range(self._n)]
        self._scalars.update(name for name, y in zip(filter(None, node.output), alone[0], strict=True) if y.ndim == 0)
        return [np.concatenate([np.atleast_1d(y) for y in outputs]) for outputs in zip(*alone, strict=True)]

    def _together(self, node: onnx.NodeProto, session: Session, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray] | None:
        """All samples as one batch; None where that differs from single samples."""
        if self._one_by_one.get(node.name, not feeds):
            return None
        try:
            outputs = session.run(feeds)
        except WorkbenchError:  # the batch is written into the graph; what else is wrong, single samples raise again
            self._one_by_one[node.name] = True
            return None
        if node.name not in self._one_by_one:
            ends = {k: session.run(self._sample(feeds, k)) for k in dict.fromkeys((0, self._n - 1))}
            equal = (_holds(y, y_k, k) for k, alone in ends.items() for y, y_k in zip(outputs, alone, strict=True))
            self._one_by_one[node.name] = not all(equal)
        return None if self._one_by_one[node.name] else outputs

    def _sample(self, feeds: Mapping[str, np.ndarray], k: int) -> dict[str, np.ndarray]:
        """What the node reads of sample k."""
        chosen = {}
        for name, x in feeds.items():
            rows = len(x) // self._n
            chosen[name] = np.asarray(x[k]) if name in self._scalars else x[k * rows : (k + 1) * rows]
        return chosen


def _holds(y: np.ndarray, y_k: np.ndarray, k: int) -> bool:
    """Whether `y_k`, sample k alone, lies where it belongs in `y`, all samples."""
    if y_k.ndim == 0 or y.ndim != y_k.ndim:
        return False
    rows = y[k * len(y_k) : (k + 1) * len(y_k)]
    if rows.shape != y_k.shape:
        return False
    if rows.dtype.kind != "f":
        return bool((rows == y_k).all())
    tolerance = RELATIVE_TOLERANCE * float(np.abs(y_k).max(initial=0.0))
    return bool(np.allclose(rows, y_k, rtol=RELATIVE_TOLERANCE, atol=tolerance, equal_nan=True))


def _single_node_model(
    parent: onnx.ModelProto,
    node: onnx.NodeProto,
    feeds: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
    scalars: Collection[str],
) -> onnx.ModelProto:
    """The first axis of its inputs is free: all samples, or one."""
    inputs = []
    for name, value in feeds.items():
        shape = [] if name in scalars else [None, *value.shape[1:]]
        inputs.append(onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), shape))
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    initializers = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = onnx.helper.make_graph([node], node.name or "node", inputs, outputs, initializers)
    return onnx.helper.make_model(graph, opset_imports=list(parent.opset_import), ir_version=parent.ir_version)
