"""Which node makes the first NaN or infinity of a sample? The graph run once more, all of its values looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError

LOOK_AT_ONCE_BYTES = 256 * 2**20
CODE = "calibration.not_finite"
MESSAGE = "A tensor has NaN or infinite values on the calibration samples, so it has no range."
HINT = "Check the preprocessing, and that the FP32 model gives finite values on these samples."


def refuse_non_finite(
    runtime: Runtime,
    model: onnx.ModelProto,
    tensors: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    batch: np.ndarray,
    samples: Sequence[int],
) -> None:
    """Return when all `tensors` are finite after all (a sum overflowed that was not asked for).

    Args:
        samples: Number of each row of the batch, as the user counts them.

    Raises:
        WorkbenchError: `calibration.not_finite`, with node, value and sample.
    """
    index = GraphIndex(model.graph)
    (entry,) = (value.name for value in model.graph.input if index.initializer(value.name) is None)
    if not np.isfinite(batch).all():
        raise WorkbenchError(
            CODE, MESSAGE, where=f'input "{entry}", sample {samples[_first_bad_row(batch, len(samples))]}', hint=HINT
        )
    observed = _first_bad(runtime, model, entry, batch, [name for name in tensors if name != entry], shapes)
    if observed is None:
        return
    name, value = _first_bad(runtime, model, entry, batch, _ancestors(index, observed[0]), shapes) or observed
    node = index.producer(name)
    assert node is not None
    raise WorkbenchError(
        CODE,
        MESSAGE,
        where=f'value "{name}" of node "{node.name}" ({node.op_type}), sample {samples[_first_bad_row(value, len(samples))]}',
        hint=HINT,
    )


def _ancestors(index: GraphIndex, name: str) -> list[str]:
    """The value and everything it is computed from, makers first."""
    found: dict[str, None] = {}
    pending = [(name, False)]
    while pending:
        value, done = pending.pop()
        producer = index.producer(value)
        if producer is None or value in found:
            continue
        if done:
            found[value] = None
        else:
            pending.append((value, True))
            pending += [(source, False) for source in reversed(producer.input) if source]
    return list(found)


def _first_bad(
    runtime: Runtime,
    model: onnx.ModelProto,
    entry: str,
    batch: np.ndarray,
    names: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[str, np.ndarray] | None:
    """Name and value of the first of `names` that is not finite, fetched in groups that fit the memory."""
    group: list[str] = []
    waiting = 0
    for position, name in enumerate(names):
        group.append(name)
        waiting += 4 * math.prod(shapes.get(name, (0,)))
        if waiting < LOOK_AT_ONCE_BYTES and position + 1 < len(names):
            continue
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.output[:]
        copy.graph.output.extend(onnx.ValueInfoProto(name=value) for value in group)
        session = runtime.open(copy.SerializeToString(), optimize=False)
        for found, value in zip(group, session.run({entry: batch}, group), strict=True):
            if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
                return found, value
        group, waiting = [], 0
    return None


def _first_bad_row(value: np.ndarray, rows: int) -> int:
    if value.ndim == 0 or len(value) < rows:
        return 0
    bad = ~np.isfinite(value.reshape(len(value), -1)).all(axis=1)
    return min(int(np.argmax(bad)), rows - 1)
