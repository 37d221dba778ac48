"""Adds observed runs up, in the order of their samples, and gives the statistics of every value at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.engine.calibration.channels import ChannelStatistics
from app.engine.calibration.extremes import EXTREMES_SAMPLES, SampleExtremes
from app.engine.calibration.histogram import Histogram
from app.engine.calibration.instrument import Observed
from app.engine.calibration.observed_run import ObservedRun, SampledValue
from app.engine.calibration.reservoir import KEPT_SAMPLES, Reservoir
from app.engine.calibration.selection import keep_smallest_ranks
from app.engine.calibration.statistics import TensorStatistics


class Accumulator:
    """Of T values with F channels in all; memory does not grow with the samples."""

    def __init__(self, plan: Sequence[Observed]) -> None:
        self._plan = tuple(plan)
        widths = np.array([entry.channels for entry in plan])
        ends = np.cumsum(widths)
        self._channels = [slice(end - width, end) for end, width in zip(ends.tolist(), widths.tolist(), strict=True)]
        self._starts = ends - widths
        self._sizes = np.repeat([max(1, entry.size) for entry in plan], widths).astype(np.float64)
        self._minimum, self._maximum = np.full(ends[-1], np.inf, np.float32), np.full(ends[-1], -np.inf, np.float32)
        self._sum_minimum, self._sum_maximum, self._total, self._squares = np.zeros((4, ends[-1]))
        self._tensor_sums = np.zeros((2, len(plan)))
        self._samples = 0
        self._extremes: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._square_counts = [0] * len(plan)
        self._histograms: list[Histogram | None] = [None] * len(plan)
        self._reservoirs: list[list[Reservoir]] = [[] for _ in plan]

    def add(self, run: ObservedRun) -> None:
        self._minimum = np.minimum(self._minimum, run.minima.min(axis=0))
        self._maximum = np.maximum(self._maximum, run.maxima.max(axis=0))
        self._sum_minimum += run.minima.sum(axis=0, dtype=np.float64)
        self._sum_maximum += run.maxima.sum(axis=0, dtype=np.float64)
        self._total += run.means.sum(axis=0, dtype=np.float64) * self._sizes
        self._samples += len(run.minima)
        lows, highs = (
            np.minimum.reduceat(run.minima, self._starts, axis=1),
            np.maximum.reduceat(run.maxima, self._starts, axis=1),
        )
        self._tensor_sums += lows.sum(axis=0, dtype=np.float64), highs.sum(axis=0, dtype=np.float64)
        self._extremes += [(run.first + row, lows[row], highs[row]) for row in range(len(lows))]
        if len(self._extremes) > 2 * EXTREMES_SAMPLES:
            self._thin_extremes()
        for values in run.sampled.values():
            self._add_sampled(values)

    def finish(self) -> dict[str, TensorStatistics]:
        self._thin_extremes()
        numbers, lows, highs = (np.stack(column) for column in zip(*self._extremes, strict=True))
        extremes = (SampleExtremes(numbers, lows[:, t], highs[:, t]) for t in range(len(self._plan)))
        return {
            entry.name: self._statistics(position, entry, seen)
            for position, (entry, seen) in enumerate(zip(self._plan, extremes, strict=True))
        }

    def _add_sampled(self, values: Sequence[SampledValue]) -> None:
        for position, value in enumerate(values):
            self._squares[self._channels[position]] += value.squares
            self._square_counts[position] += value.square_count
            self._reservoirs[position].append(value.reservoir)
            if len(self._reservoirs[position]) > 2 * KEPT_SAMPLES:
                self._reservoirs[position] = [Reservoir.joined(self._reservoirs[position])]
            before = self._histograms[position]
            both = before is not None and value.histogram is not None
            self._histograms[position] = before.merged(value.histogram) if both else value.histogram  # type: ignore[union-attr, arg-type]

    def _thin_extremes(self) -> None:
        kept = keep_smallest_ranks(np.array([number for number, _, _ in self._extremes]), EXTREMES_SAMPLES)
        self._extremes = [self._extremes[index] for index in kept]

    def _statistics(self, position: int, entry: Observed, extremes: SampleExtremes) -> TensorStatistics:
        part = self._channels[position]
        channels = ChannelStatistics(
            entry.axis,
            self._minimum[part],
            self._maximum[part],
            self._sum_minimum[part],
            self._sum_maximum[part],
            self._total[part],
            self._samples * entry.size,
            self._squares[part],
            self._square_counts[position],
        )
        reservoirs = self._reservoirs[position]
        return TensorStatistics(
            minimum=float(channels.minimum.min()),
            maximum=float(channels.maximum.max()),
            sum_minimum=float(self._tensor_sums[0, position]),
            sum_maximum=float(self._tensor_sums[1, position]),
            samples=self._samples,
            histogram=self._histograms[position],
            channels=channels if entry.size else None,
            reservoir=Reservoir.joined(reservoirs) if reservoirs else None,
            extremes=extremes,
        )
