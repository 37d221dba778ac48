"""The noise table: how much of the output's error each value makes when it alone is rounded to its grid; and what to do about
it.

    n_v     noise at the judged values with only the values of sharing group v rounded          (judged.py)
    share   n_v / sum n_v

These noises add up nearly (accuracy.md §5.1), so the table says beforehand what a better range or a float value would gain.
What makes most noise gets the range that makes least; what is still loud stays in float, with the layers around it:

    performance   while one value makes more noise than all others together and the model is not FINE_DB anyway,
                  or the model is BROKEN_DB
    mixed         while one value makes MIXED_SHARE of the noise

The rounding is written as Div, Round, Clip, Mul: a Q/DQ pair would make the runtime quantize float weights beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph.index import GraphIndex
from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.quantize.grids import Range
from app.engine.quantize.judged import Judge, to_db
from app.engine.quantize.recipe import NoiseShare, QuantizationSettings
from app.engine.quantize.tensors import TensorPlan

SAMPLES = 4
FINE_DB, BROKEN_DB = 25.0, 15.0
MIXED_SHARE = 0.2
LOUD_SHARE = 0.05
"""Quieter values are never kept in float."""
LOUD_RANGE_SHARE = 0.15
"""Quieter values keep the range of the estimator: more ranges measured on few samples only fit those samples."""
MOST_FLOAT_VALUES = 12
BETTER = 0.9
"""A range is taken when it leaves at most this much of the noise."""


@dataclass(frozen=True)
class LoudValue:
    group: str
    noise: float
    action: str = ""


def measure_noise(
    judge: Judge, graph: onnx.ModelProto, plan: TensorPlan, grids: Mapping[str, QParams], on_group: Callable[[int, int], None]
) -> list[LoudValue]:
    """Every sharing group with a grid, in graph order."""
    groups = members_of(plan)
    table = []
    for done, (group, members) in enumerate(groups.items()):
        grid = grids[group]
        table.append(LoudValue(group, judge.noise(with_rounded(graph, members, grid), SAMPLES)))
        on_group(done + 1, len(groups))
    return table


def better_ranges(
    judge: Judge,
    graph: onnx.ModelProto,
    plan: TensorPlan,
    table: Sequence[LoudValue],
    ranges: dict[str, Range],
    extremes: Mapping[str, Range],
    settings: QuantizationSettings,
) -> list[LoudValue]:
    """The table with, for each loud value, the candidate range that makes least noise; `ranges` is changed with it."""
    total = sum(value.noise for value in table)
    groups = members_of(plan)
    renewed = []
    for value in table:
        best, taken = value, ranges[value.group]
        if total > 0 and value.noise > LOUD_RANGE_SHARE * total:
            for candidate in candidate_ranges(ranges[value.group], extremes[value.group]):
                grid = compute_qparams(*candidate, "uint8", symmetric=settings.activations == "symmetric")
                noise = judge.noise(with_rounded(graph, groups[value.group], grid), SAMPLES)
                if noise < BETTER * best.noise:
                    low, high = candidate
                    best, taken = (
                        LoudValue(value.group, noise, f"range {low:.3g} to {high:.3g}, measured at the output"),
                        candidate,
                    )
        ranges[value.group] = taken
        renewed.append(best)
    return renewed


def candidate_ranges(now: Range, extremes: Range) -> Iterator[Range]:
    """All that was seen, and each end moved alone and together towards and away from 0."""
    (low, high), (least, most) = now, extremes
    yield extremes
    for factor in (0.5, 0.7, 0.85, 1.2, 1.5):
        wide = max(least, low * factor), min(most, high * factor)
        yield wide
        if low < 0:
            yield wide[0], high
            yield low, wide[1]


def keep_loud_in_float(
    graph: onnx.ModelProto, plan: TensorPlan, table: Sequence[LoudValue], settings: QuantizationSettings
) -> dict[str, str]:
    """Node name -> reason: producers and readers of the values that no range makes quiet enough."""
    index, groups = GraphIndex(graph.graph), members_of(plan)
    left = sorted(table, key=lambda value: -value.noise)
    kept: dict[str, str] = {}
    for _ in range(MOST_FLOAT_VALUES):
        total = sum(value.noise for value in left)
        if not left or total <= 0 or not _too_loud(left[0].noise / total, to_db(total), settings):
            break
        loudest = left.pop(0)
        reason = f"“{loudest.group}” alone makes {loudest.noise / total:.0%} of the noise at the output in INT8"
        for name in groups[loudest.group]:
            around = [*index.consumers(name), *([producer] if (producer := index.producer(name)) else [])]
            kept.update({node.name: reason for node in around if node.name not in kept})
    return kept


def noise_shares(
    graph: onnx.ModelProto, table: Sequence[LoudValue], kept: Mapping[str, str], plan: TensorPlan
) -> tuple[NoiseShare, ...]:
    """For the recipe, in falling order."""
    index, groups = GraphIndex(graph.graph), members_of(plan)
    total = sum(value.noise for value in table) or 1.0
    shares = []
    for value in sorted(table, key=lambda value: -value.noise):
        producer = next((p for name in groups[value.group] if (p := index.producer(name))), None)
        in_float = producer is not None and producer.name in kept and f"“{value.group}”" in kept[producer.name]
        action = "kept in float" if in_float else value.action
        name, op_type = (producer.name, producer.op_type) if producer else (value.group, "input")
        shares.append(NoiseShare(name, op_type, value.noise / total, action))
    return tuple(shares)


def members_of(plan: TensorPlan) -> dict[str, list[str]]:
    """Sharing group -> its values, in graph order."""
    groups: dict[str, list[str]] = {}
    for name in plan.gridded:
        groups.setdefault(plan.shared[name], []).append(name)
    return groups


def with_rounded(model: onnx.ModelProto, values: Sequence[str], grid: QParams) -> onnx.ModelProto:
    """A copy in which every reader of `values` gets them rounded to the grid."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    graph = rounded.graph
    wanted = set(values)
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name in wanted:
                node.input[position] = f"{name}_rounded"
    smallest, largest = -float(grid.zero_point), 255 - float(grid.zero_point)
    constants = {"grid_step": float(grid.scale), "grid_smallest": smallest, "grid_largest": largest}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in constants.items())
    nodes = [made for value in graph.input if value.name in wanted for made in _rounding(value.name)]
    for node in graph.node:
        nodes.append(node)
        nodes.extend(made for name in node.output if name in wanted for made in _rounding(name))
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    return rounded


def _rounding(value: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Div", [value, "grid_step"], [f"{value}_steps"]),
        helper.make_node("Round", [f"{value}_steps"], [f"{value}_whole"]),
        helper.make_node("Clip", [f"{value}_whole", "grid_smallest", "grid_largest"], [f"{value}_cut"]),
        helper.make_node("Mul", [f"{value}_cut", "grid_step"], [f"{value}_rounded"]),
    ]


def _too_loud(share: float, sqnr_db: float, settings: QuantizationSettings) -> bool:
    if settings.preset == "mixed":
        return share > MIXED_SHARE
    return (share > 0.5 and sqnr_db < FINE_DB) or (share > LOUD_SHARE and sqnr_db < BROKEN_DB)
