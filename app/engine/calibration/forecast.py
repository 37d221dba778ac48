"""How much memory a calibration will take, told before it starts; it does not depend on the number of samples.

weights       the file in memory, its serialized copy, and for each session onnxruntime's own and its packed copy
run           most bytes of values alive at once, in graph order, and twice as much for other layouts and work areas; a session
              keeps what its runs had
statistics    what is kept per observed tensor
"""

from __future__ import annotations

import math
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import psutil

from app.engine.calibration.histogram import BINS
from app.engine.calibration.reservoir import RESERVOIR_VALUES
from app.engine.runtimes.device import read_device
from app.errors import WorkbenchError

RUNS_BUDGET_BYTES = 512 * 2**20
"""Runs side by side may take this much; with larger activations one run has more threads instead."""
TWO_SESSIONS_BYTES = 256 * 2**20
"""Heavier weights are not held by two sessions: every sample is then observed in full, which is slower."""
LARGE_CONSTANT = 1024
"""Elements; no shape is computed from larger constants."""
COPIES_OF_WEIGHTS, COPIES_PER_SESSION, COPIES_OF_VALUES = 2, 2, 3
BASE_BYTES = 24 * 2**20
"""Graphs, threads and buffers whatever the model."""
BYTES_PER_VALUE = 4


@dataclass(frozen=True)
class Forecast:
    weight_bytes: int
    run_bytes: int
    statistics_bytes: int
    runs: int
    """Side by side."""
    threads_per_run: int
    sessions: int

    @property
    def bytes(self) -> int:
        per_session = COPIES_PER_SESSION * self.weight_bytes + self.runs * self.run_bytes
        return COPIES_OF_WEIGHTS * self.weight_bytes + self.sessions * per_session + self.statistics_bytes + BASE_BYTES


def forecast(model: onnx.ModelProto, tensors: Sequence[str], input_shape: Sequence[int], threads: int = 1) -> Forecast:
    """Of `collect_statistics` with these arguments.

    Args:
        input_shape: Of one batch, batch axis included.
    """
    shapes = infer_shapes(model, input_shape)
    weights = sum(len(tensor.raw_data) or tensor.ByteSize() for tensor in model.graph.initializer)
    run = COPIES_OF_VALUES * _most_alive(model.graph, shapes)
    sessions = 1 if weights > TWO_SESSIONS_BYTES else 2
    runs = max(1, min(threads, RUNS_BUDGET_BYTES // max(1, sessions * run)))
    kept = sum(min(RESERVOIR_VALUES, 64 * math.prod(shapes.get(name, (RESERVOIR_VALUES,)))) for name in set(tensors))
    statistics = (BYTES_PER_VALUE + 2) * kept + len(set(tensors)) * 8 * BINS
    return Forecast(weights, run, statistics, runs, max(1, threads // runs), sessions)


def require_memory(needed: Forecast, available_bytes: int) -> None:
    """
    Raises:
        WorkbenchError: `calibration.memory` when the forecast is more than there is.
    """
    if needed.bytes > available_bytes:
        total, free, weights, run = (
            f"{size / 2**30:.1f} GiB" for size in (needed.bytes, available_bytes, needed.weight_bytes, needed.run_bytes)
        )
        raise WorkbenchError(
            "calibration.memory",
            f"Calibration needs about {total} ({weights} of weights, {run} of values in one run), and {free} are free.",
            hint="Use a smaller input size or a machine with more memory; fewer calibration samples do not help.",
        )


def available_memory() -> int:
    """Bytes this process may still take: what the machine has free, within its control group and its own limit."""
    limits = [psutil.virtual_memory().available, read_device().memory_bytes]
    own, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if own != resource.RLIM_INFINITY:
        limits.append(own - psutil.Process().memory_info().data)
    return min(limits)


def infer_shapes(model: onnx.ModelProto, input_shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the float values of the graph for this input, those that are known completely; weights left out."""
    slim = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    slim.functions.extend(model.functions)
    graph = slim.graph
    graph.name = model.graph.name or "graph"
    graph.node.extend(model.graph.node)
    weights = {tensor.name for tensor in model.graph.initializer}
    graph.input.extend(value for value in model.graph.input if value.name not in weights)
    graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= LARGE_CONSTANT:
            graph.initializer.append(tensor)
        else:  # only its shape matters
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    graph.input[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    for size in input_shape:
        graph.input[0].type.tensor_type.shape.dim.add(dim_value=size)
    inferred = onnx.shape_inference.infer_shapes(slim, data_prop=True).graph
    values = (*inferred.value_info, *inferred.output, inferred.input[0])
    return {value.name: shape for value in values if (shape := _known(value)) is not None}


def _known(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    kind = value.type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT or not kind.HasField("shape"):
        return None
    dims = tuple(dim.dim_value for dim in kind.shape.dim)
    return dims if all(dims) else None


def _most_alive(graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Bytes, at the node where most values are still needed."""
    last_use = {name: position for position, node in enumerate(graph.node) for name in node.input}
    alive, most = 0, 0
    dying: dict[int, int] = {}
    for position, node in enumerate(graph.node):
        for name in node.output:
            size = BYTES_PER_VALUE * math.prod(shapes.get(name, (0,)))
            alive += size
            gone = last_use.get(name, position)
            dying[gone] = dying.get(gone, 0) + size
        most = max(most, alive)
        alive -= dying.get(position, 0)
    return most
