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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.numerics.metrics import compute_energies
from app.engine.quantize.layers import WEIGHTED
from app.engine.quantize.moments import with_outputs
from app.engine.runtimes.base import Runtime, Session

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
SELECTING = frozenset(
    {
        "ArgMax",
        "ArgMin",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "NonMaxSuppression",
        "NonZero",
        "TopK",
    }
)
FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})


Feeds = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Probe:
    session: Session
    names: list[str]
    """Of the outputs that stand for the judged values."""


def judged_values(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Names of the values, in graph order; the outputs themselves when nothing else is found."""
    index = GraphIndex(graph)
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output, *graph.input)}
    inputs = {value.name for value in graph.input}
    selected = _behind_a_selection(graph)
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [value.name for value in graph.output]
    while waiting:
        name = waiting.pop()
        node = index.producer(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if node.op_type in WALKED_THROUGH or name in selected:
            waiting.extend(value for value in node.input if value and value not in inputs)
        elif types.get(name, onnx.TensorProto.FLOAT) in FLOATS:
            found.add(name)
    ordered = [name for node in graph.node for name in node.output if name in found]
    return tuple(ordered) or tuple(value.name for value in graph.output)


def _behind_a_selection(graph: onnx.GraphProto) -> set[str]:
    """Values of the tail behind the last layers that depend on which rows, cells or classes were selected.

    One flipped choice exchanges whole rows, so the error of such a value says nothing. A selection with layers behind it (a
    mask inside the network) is none in this sense.
    """
    before_layers: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in WEIGHTED or any(name in before_layers for name in node.output):
            before_layers.update(name for name in node.input if name)
    selected: set[str] = set()
    for node in graph.node:
        selects = node.op_type in SELECTING and not any(name in before_layers for name in node.output)
        if selects or any(name in selected for name in node.input):
            selected.update(name for name in node.output if name)
    return selected


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
        self._reference = list(self._run(self.open(model), {}, samples))

    def open(self, model: onnx.ModelProto, *, lean: bool = False) -> Probe:
        """A session that gives the judged values of `model`, whose first input is the sample.

        Args:
            lean: Takes less memory.
        """
        names = as_read(model.graph, self.values)
        session = self._runtime.open(with_outputs(model, names).SerializeToString(), threads=self._threads, lean=lean)
        return Probe(session, names)

    def noise(self, model: onnx.ModelProto | Probe, feeds: Feeds | None = None, count: int | None = None) -> float:
        """Mean relative energy of the error.

        Args:
            feeds: For inputs besides the sample.
            count: Only over so many samples, the first ones.
        """
        probe = self.open(model) if isinstance(model, onnx.ModelProto) else model
        signal, noise = np.zeros(len(self.values)), np.zeros(len(self.values))
        samples = self._samples[:count]
        for reference, values in zip(self._reference, self._run(probe, feeds or {}, samples), strict=False):
            energies = np.array([compute_energies(y, x) for y, x in zip(reference, values, strict=True)])
            signal, noise = signal + energies[:, 0], noise + energies[:, 1]
        heard = signal > 0
        return float(np.mean(noise[heard] / signal[heard])) if heard.any() else 0.0

    def sqnr_db(self, model: onnx.ModelProto) -> float:
        return to_db(self.noise(model))

    def _run(self, probe: Probe, feeds: Feeds, samples: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Per sample the judged values, float32, one after the other."""
        for sample in samples:
            values = probe.session.run({probe.session.inputs[0].name: sample, **feeds}, probe.names)
            yield [np.asarray(value, np.float32) for value in values]


def to_db(noise: float) -> float:
    return float(-10 * np.log10(noise)) if noise > 0 else float("inf")
