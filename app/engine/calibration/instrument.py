"""The graph that observes itself: reductions and samples of the observed values as further outputs, in place of the values.

Taking every value out of the runtime adds 60 % to a run, and as much again to look at it: 27 MB a sample for MobileNet-v2,
brought into NCHW order first. Global pooling has kernels for the runtime's own blocked layout, so maxima and means add 40 % in
all; minima need a reduction in NCHW and are only taken of values that can be negative.

    way         value                                        extremes and mean                sampled positions
    pooled      channels on axis 1, rank 3 to 5              GlobalMaxPool, GlobalAveragePool, ReduceMin   Reshape, Gather
    rows        channels last, rank >= 3                     ReduceMax, ReduceMin, ReduceMean              Reshape, Gather
    whole       the input, rank <= 2, unknown shape          the value itself
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.calibration.axes import channel_axes, never_negative
from app.engine.calibration.selection import spread_positions
from app.engine.graph.index import model_inputs

Way = Literal["pooled", "rows", "whole"]
AXES_ARE_AN_INPUT = 18
"""Opset from which ReduceMax, ReduceMin and ReduceMean take their axes so."""


@dataclass(frozen=True)
class Observed:
    """One value and how it is observed."""

    name: str
    way: Way
    axis: int
    channels: int
    """C; 1 when the shape is unknown: no channels are told apart."""
    size: int
    """S, positions of a channel in one sample; 0 when unknown."""
    positions: int
    """How many of them are sampled."""
    maximum: str = ""
    minimum: str = ""
    """"" for a value that cannot be negative."""
    mean: str = ""
    sampled: str = ""

    @property
    def extremes(self) -> tuple[str, ...]:
        """Outputs to fetch for minimum, maximum and mean."""
        return tuple(name for name in (self.maximum, self.minimum, self.mean) if name) or (self.name,)

    @property
    def chosen(self) -> str:
        """Model input that takes the positions; "" when all are sampled, or the value is fetched whole."""
        return position_input(self.size, self.positions) if self.sampled and self.positions < self.size else ""


def position_input(size: int, positions: int) -> str:
    return f"calibration:positions:{size}:{positions}"


def plan_observation(
    graph: onnx.GraphProto, tensors: Sequence[str], shapes: Mapping[str, tuple[int, ...]], batch: int, sampled_values: int
) -> tuple[Observed, ...]:
    """
    Args:
        shapes: Of the values for one batch, as far as known.
        batch: Samples in a run.
        sampled_values: Per sample and value, at most about this many are looked at singly.
    """
    axes = channel_axes(graph, {name: len(shape) for name, shape in shapes.items()})
    positive = never_negative(graph)
    (entry,) = model_inputs(graph)
    plan = []
    for number, name in enumerate(dict.fromkeys(tensors)):
        shape, axis = shapes.get(name), axes.get(name, 1)
        if shape is None or len(shape) < 2 or shape[0] != batch:
            plan.append(Observed(name, "whole", axis, 1, 0, 0))
            continue
        channels, size = shape[axis], math.prod(shape) // batch // shape[axis]
        positions = min(size, max(1, sampled_values // channels))
        way = _way(axis, len(shape))
        if way == "whole" or name == entry.name:
            plan.append(Observed(name, "whole", axis, channels, size, positions))
            continue
        outputs = [f"calibration:{number}:{what}" for what in ("maximum", "minimum", "mean", "sampled")]
        if name in positive:
            outputs[1] = ""
        plan.append(Observed(name, way, axis, channels, size, positions, *outputs))
    return tuple(plan)


def _way(axis: int, rank: int) -> Way:
    if axis == 1 and 3 <= rank <= 5:
        return "pooled"
    return "rows" if axis == rank - 1 and rank >= 3 else "whole"


def instrument(
    model: onnx.ModelProto, plan: Sequence[Observed], shapes: Mapping[str, tuple[int, ...]], *, sampled: bool
) -> onnx.ModelProto:
    """A copy with these outputs alone.

    Args:
        sampled: Whether sampled positions are outputs, too; they are chosen by further inputs.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    (fed,) = model_inputs(model.graph)
    outputs: dict[str, None] = {}
    inputs: dict[str, int] = {}
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    for entry in plan:
        if entry.name == fed.name:
            continue
        outputs.update(dict.fromkeys(entry.extremes))
        graph.node.extend(_reductions(entry, len(shapes.get(entry.name, ())), opset, graph))
        if sampled and entry.sampled:
            graph.node.extend(_sampling(entry, graph))
            outputs[entry.sampled] = None
            if entry.chosen:
                inputs[entry.chosen] = entry.positions
    if not outputs:  # the input alone is observed; no runtime opens a model without outputs
        return copy
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    graph.input.extend(helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [count]) for name, count in inputs.items())
    return copy


def chosen_positions(plan: Sequence[Observed], number: int) -> dict[str, np.ndarray]:
    """What the further inputs are fed for sample `number`."""
    return {entry.chosen: spread_positions(entry.size, entry.positions, number) for entry in plan if entry.chosen}


def _reductions(entry: Observed, rank: int, opset: int, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    if entry.way == "pooled":
        yield helper.make_node("GlobalMaxPool", [entry.name], [entry.maximum])
        yield helper.make_node("GlobalAveragePool", [entry.name], [entry.mean])
    elif entry.way == "rows":
        yield from _reduce("ReduceMax", entry, entry.maximum, rank, opset, graph)
        yield from _reduce("ReduceMean", entry, entry.mean, rank, opset, graph)
    if entry.minimum:
        yield from _reduce("ReduceMin", entry, entry.minimum, rank, opset, graph)


def _reduce(op: str, entry: Observed, output: str, rank: int, opset: int, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    axes = [axis for axis in range(1, rank) if axis != entry.axis]
    if opset < AXES_ARE_AN_INPUT:
        yield helper.make_node(op, [entry.name], [output], axes=axes)
        return
    graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{output}:axes"))
    yield helper.make_node(op, [entry.name, f"{output}:axes"], [output])


def _sampling(entry: Observed, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Value -> (N, C, positions), of rows (N, positions, C)."""
    flat = f"{entry.sampled}:flat" if entry.chosen else entry.sampled
    shape = [0, entry.channels, entry.size] if entry.way == "pooled" else [0, entry.size, entry.channels]
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{entry.sampled}:shape"))
    yield helper.make_node("Reshape", [entry.name, f"{entry.sampled}:shape"], [flat])
    if entry.chosen:
        yield helper.make_node("Gather", [flat, entry.chosen], [entry.sampled], axis=2 if entry.way == "pooled" else 1)
