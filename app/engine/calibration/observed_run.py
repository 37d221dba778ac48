"""One run of the observed graph -> its contribution to the statistics of all values, computed where the run was made.

N     samples of the run
F     channels of all observed values side by side, so that one numpy call serves a hundred values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.engine.calibration.histogram import Histogram
from app.engine.calibration.instrument import Observed
from app.engine.calibration.reservoir import Reservoir
from app.engine.calibration.selection import spread_positions


@dataclass(frozen=True)
class SampledValue:
    """What one sample observed in full tells of one value."""

    squares: np.ndarray
    """(C,) float64."""
    square_count: int
    histogram: Histogram | None
    reservoir: Reservoir


@dataclass(frozen=True)
class ObservedRun:
    first: int
    """Number of its first sample."""
    minima: np.ndarray
    """(N, F) float32."""
    maxima: np.ndarray
    means: np.ndarray
    sampled: dict[int, tuple[SampledValue, ...]]
    """Sample number -> one entry per value, for the samples observed in full; none when something is not finite."""

    @property
    def finite(self) -> bool:
        """A mean is NaN or infinite when any of its values is."""
        return bool(np.isfinite(self.means).all() and np.isfinite(self.maxima).all() and np.isfinite(self.minima).all())


def observe_run(
    plan: Sequence[Observed],
    values: Mapping[str, np.ndarray],
    first: int,
    rows: int,
    kept: Sequence[int],
    *,
    histogram: bool,
    reservoir_values: int,
) -> ObservedRun:
    """
    Args:
        values: Outputs of the instrumented graph, and its input.
        rows: How many leading samples of the run count; the others only fill its batch.
        kept: Numbers of those to be observed in full.
    """
    pieces = [_extremes(entry, values, rows) for entry in plan]
    minima, maxima, means = (np.concatenate(column, axis=1) for column in zip(*pieces, strict=True))
    run = ObservedRun(first, minima, maxima, means, {})
    for number in kept if run.finite else ():
        singles = (_positions(entry, values, number - first, number) for entry in plan)
        run.sampled[number] = tuple(_sampled_value(single, number, histogram, reservoir_values) for single in singles)
    return run


def by_channel(value: np.ndarray, entry: Observed, rows: int) -> np.ndarray:
    """A whole value as (N, C, S); one that does not come by samples counts in full for each of them."""
    value = np.asarray(value, np.float32)
    if entry.size:
        return np.moveaxis(value, entry.axis, 1).reshape(len(value), entry.channels, -1)
    per_sample = value.reshape(len(value), 1, -1) if value.ndim and len(value) >= rows > 1 else value.reshape(1, 1, -1)
    if not per_sample.size:
        return np.zeros((rows, 1, 1), np.float32)
    return np.broadcast_to(per_sample, (max(rows, len(per_sample)), *per_sample.shape[1:]))


def _extremes(entry: Observed, values: Mapping[str, np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(minima, maxima, means) of one value, each (N, C) float32."""
    if entry.way == "whole":
        whole = by_channel(values[entry.name], entry, rows)
        with np.errstate(all="ignore"):  # what is not finite is found by its mean
            return whole.min(axis=2)[:rows], whole.max(axis=2)[:rows], whole.mean(axis=2)[:rows]
    maxima, means = (np.asarray(values[name], np.float32).reshape(-1, entry.channels) for name in (entry.maximum, entry.mean))
    minima = values[entry.minimum].reshape(-1, entry.channels) if entry.minimum else np.zeros_like(maxima)
    return minima[:rows], maxima[:rows], means[:rows]


def _positions(entry: Observed, values: Mapping[str, np.ndarray], row: int, number: int) -> np.ndarray:
    """(C, positions) of one sample."""
    if entry.way == "whole":
        single: np.ndarray = by_channel(values[entry.name], entry, row + 1)[row]
        return single[:, spread_positions(single.shape[1], entry.positions or single.shape[1], number)]
    sampled: np.ndarray = values[entry.sampled][row]
    return sampled if entry.way == "pooled" else sampled.T


def _sampled_value(single: np.ndarray, number: int, histogram: bool, reservoir_values: int) -> SampledValue:
    precise = single.astype(np.float64)
    return SampledValue(
        np.einsum("cp,cp->c", precise, precise),
        single.shape[1],
        Histogram.of(single) if histogram else None,
        Reservoir.of_sample(single, number, reservoir_values),
    )
