"""Where the error of a quantized model is measured: the values that its outputs are made of, before they are only rearranged.

An output's own SQNR can mean nothing: TopK and NonMaxSuppression reorder rows, one Concat holds boxes in pixels beside scores
in 0..1 (40.9 dB in all, scores lost; ASSETS.md), Softmax leaves the energy of one sample in a few. So from each output one goes
back through everything that selects, joins, moves or normalizes, and judges the values found there, each by its own relative
error:

    noise = mean over judged values v of  sum (v - v_q)² / sum v²          SQNR = -10 log10 noise

Each is taken as its readers get it, behind its own QuantizeLinear and DequantizeLinear: else the range of a last layer would
never be judged, and the layer would run in float for the sake of the measurement.

Degenerate: a value that is 0 on all samples does not count; outputs without a float value behind them leave nothing to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.quantize.moments import with_outputs
from app.engine.runtimes.base import Runtime

WALKED_THROUGH = frozenset(
    {
        "ArgMax",
        "Cast",
        "Concat",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
        "GatherND",
        "Identity",
        "LogSoftmax",
        "MaxPool",
        "NonMaxSuppression",
        "ReduceMax",
        "Reshape",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "TopK",
        "Transpose",
        "Unsqueeze",
    }
)
FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})


def judged_values(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Names of the values, in graph order; the outputs themselves when nothing else is found."""
    index = GraphIndex(graph)
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output, *graph.input)}
    inputs = {value.name for value in graph.input}
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [value.name for value in graph.output]
    while waiting:
        name = waiting.pop()
        node = index.producer(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        compared = _compares(index, node)
        if node.op_type in WALKED_THROUGH or compared:
            waiting.extend(value for value in node.input if value and value not in inputs)
        elif types.get(name, onnx.TensorProto.FLOAT) in FLOATS:
            found.add(name)
    ordered = [name for node in graph.node for name in node.output if name in found]
    return tuple(ordered) or tuple(value.name for value in graph.output)


def _compares(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """A mask (`Equal`, `Greater` … cast to float) or a value times a mask: the peak test of heat maps."""
    masks = {"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Where"}
    if node.op_type in masks:
        return True
    if node.op_type != "Mul":
        return False
    producers = [index.producer(name) for name in node.input]
    return any(
        producer is not None
        and producer.op_type == "Cast"
        and (source := index.producer(producer.input[0])) is not None
        and source.op_type in masks
        for producer in producers
    )


def as_read(graph: onnx.GraphProto, values: Sequence[str]) -> list[str]:
    """What the readers of each value get: the value itself, or what its DequantizeLinear makes of it."""
    index = GraphIndex(graph)

    def reader(value: str, op_type: str) -> str | None:
        return next((node.output[0] for node in index.consumers(value) if node.op_type == op_type), None)

    codes = {value: reader(value, "QuantizeLinear") for value in values}
    return [(reader(code, "DequantizeLinear") or value) if code else value for value, code in codes.items()]


class Judge:
    """The float model's judged values on some samples, and how far another model is from them."""

    def __init__(self, runtime: Runtime, model: onnx.ModelProto, samples: Sequence[np.ndarray], threads: int) -> None:
        self._runtime, self._samples, self._threads = runtime, samples, threads
        self.values = judged_values(model.graph)
        self._reference = self._run(model, samples)
        self._energy = [sum(float(np.sum(np.square(y, dtype=np.float64))) for y in rows) for rows in self._reference]

    def noise(self, model: onnx.ModelProto, count: int | None = None) -> float:
        """Mean relative energy of the error, over the first `count` samples (None: all)."""
        samples = self._samples[:count]
        outputs = self._run(model, samples)
        shares = []
        for reference, values, energy in zip(self._reference, outputs, self._energy, strict=True):
            used = energy if len(samples) == len(self._samples) else _energy(reference[: len(samples)])
            if used > 0:
                pairs = zip(reference, values, strict=False)
                shares.append(sum(float(np.sum(np.square(y - x, dtype=np.float64))) for y, x in pairs) / used)
        return float(np.mean(shares)) if shares else 0.0

    def sqnr_db(self, model: onnx.ModelProto) -> float:
        return to_db(self.noise(model))

    def _run(self, model: onnx.ModelProto, samples: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Per judged value its arrays, one a sample."""
        names = as_read(model.graph, self.values)
        session = self._runtime.open(with_outputs(model, names).SerializeToString(), threads=self._threads)
        (entry,) = session.inputs
        rows = [session.run({entry.name: sample}, names) for sample in samples]
        return [[np.asarray(row[k], np.float32) for row in rows] for k in range(len(self.values))]


def to_db(noise: float) -> float:
    return float(-10 * np.log10(noise)) if noise > 0 else float("inf")


def _energy(rows: Sequence[np.ndarray]) -> float:
    return sum(float(np.sum(np.square(y, dtype=np.float64))) for y in rows)
