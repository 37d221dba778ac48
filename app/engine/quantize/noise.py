"""The noise table: how much of the output's error each value makes when it alone is rounded to its grid; and what to do about
it.

    n_v     noise at the judged values with only the values of sharing group v rounded          (judged.py)
    share   n_v / sum n_v

These noises add up nearly (accuracy.md §5.1), so the table says beforehand what a better range or a float value would gain.
What makes most noise gets the range that makes least; what is still loud stays in float, with the layers around it:

    performance   while one value makes more noise than all others together and the model is not FINE_DB anyway,
                  or the model is BROKEN_DB
    mixed         while one value makes MIXED_SHARE of the noise
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.quantize.grids import Range
from app.engine.quantize.judged import Judge, Probe, to_db
from app.engine.quantize.recipe import NoiseShare, QuantizationSettings
from app.engine.quantize.rounding_switches import feeds_for, with_switches
from app.engine.quantize.support import multiply_adds_of
from app.engine.quantize.tensors import TensorPlan

FEWEST_SAMPLES, MOST_SAMPLES = 1, 3
WORK_BUDGET = 120 * 10**9
"""Multiply-adds of the whole table; large models are measured on fewer samples."""
GROUPS_PER_SESSION = 12
"""A session costs as much to open as running a few images, but its switches cost the fusions around them."""
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


class NoiseMeter:
    """Measures the noise of single groups of one float model, GROUPS_PER_SESSION neighbours in one session."""

    def __init__(self, judge: Judge, graph: onnx.ModelProto, plan: TensorPlan) -> None:
        self._judge, self._graph, self._members = judge, graph, members_of(plan)
        self._groups = list(self._members)
        self._portion: list[str] = []
        self._probe: Probe | None = None
        work = multiply_adds_of(graph) * len(self._groups)
        self._samples = int(np.clip(WORK_BUDGET // max(work, 1), FEWEST_SAMPLES, MOST_SAMPLES))

    def noise(self, group: str, grid: QParams) -> float:
        if self._probe is None or group not in self._portion:
            start = self._groups.index(group) // GROUPS_PER_SESSION * GROUPS_PER_SESSION
            self._probe = None  # its memory goes before the next one comes
            self._portion = self._groups[start : start + GROUPS_PER_SESSION]
            switched = with_switches(self._graph, [self._members[name] for name in self._portion])
            self._probe = self._judge.open(switched, lean=True)
        return self._judge.noise(self._probe, feeds_for(self._portion.index(group), grid), self._samples)

    def table(self, grids: Mapping[str, QParams], on_group: Callable[[int, int], None]) -> list[LoudValue]:
        """Every sharing group with a grid, in graph order."""
        table = []
        for done, group in enumerate(self._groups):
            table.append(LoudValue(group, self.noise(group, grids[group])))
            on_group(done + 1, len(self._groups))
        return table


def better_ranges(
    meter: NoiseMeter,
    table: Sequence[LoudValue],
    ranges: dict[str, Range],
    extremes: Mapping[str, Range],
    settings: QuantizationSettings,
) -> list[LoudValue]:
    """The table with, for each loud value, the candidate range that makes least noise; `ranges` is changed with it."""
    total = sum(value.noise for value in table)
    renewed = []
    for value in table:
        best, taken = value, ranges[value.group]
        if total > 0 and value.noise > LOUD_RANGE_SHARE * total:
            for candidate in candidate_ranges(ranges[value.group], extremes[value.group]):
                grid = compute_qparams(*candidate, "uint8", symmetric=settings.activations == "symmetric")
                noise = meter.noise(value.group, grid)
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


def _too_loud(share: float, sqnr_db: float, settings: QuantizationSettings) -> bool:
    if settings.preset == "mixed":
        return share > MIXED_SHARE
    return (share > 0.5 and sqnr_db < FINE_DB) or (share > LOUD_SHARE and sqnr_db < BROKEN_DB)
