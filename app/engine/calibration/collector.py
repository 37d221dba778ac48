"""Runs a model over samples and observes chosen tensors, one batch at a time: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx

from app.engine.calibration.observers import TensorStatistics, observe
from app.engine.runtimes.base import Runtime


def collect_statistics(
    runtime: Runtime,
    model: onnx.ModelProto,
    tensors: Sequence[str],
    batches: Iterable[np.ndarray],
    *,
    histogram: bool,
    threads: int,
    on_batch: Callable[[int], None],
) -> dict[str, TensorStatistics]:
    """Statistics of `tensors` (names of float values of the graph, its input among them) over all batches.

    Args:
        batches: Input tensors as the model takes them, (N, …).
        on_batch: Called with the number of samples seen so far.
    """
    session = runtime.open(_with_outputs(model, tensors).SerializeToString(), threads=threads)
    (model_input,) = session.inputs
    inner = [name for name in tensors if name != model_input.name]
    statistics: dict[str, TensorStatistics] = {}
    seen = 0
    for batch in batches:
        values = dict(zip(inner, session.run({model_input.name: batch}, inner), strict=True))
        values[model_input.name] = batch
        for name in tensors:
            observed = observe(name, np.asarray(values[name], np.float32), histogram=histogram)
            statistics[name] = statistics[name].merged(observed) if name in statistics else observed
        seen += len(batch)
        on_batch(seen)
    return statistics


def _with_outputs(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy whose outputs include `tensors`; their types are left to the runtime to infer."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    present = {value.name for value in (*observed.graph.output, *observed.graph.input)}
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in present)
    return observed
