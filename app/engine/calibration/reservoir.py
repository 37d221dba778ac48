"""A fixed number of single values of one tensor, spread over samples, positions and channels.

At most KEPT_SAMPLES samples (`selection`) give at most RESERVOIR_VALUES / KEPT_SAMPLES values each, so its size does not
depend on the number of samples. Within a sample every channel gives equally many values; a tensor with more channels than that
gives one value of some channels, others in each sample. Values are as observed, never averaged, and not the extremes: those
are exact in `TensorStatistics`.

Merging is exact, associative and commutative: the parts' samples, thinned again. It equals one pass over everything when the
parts were observed as shares of the same total (otherwise a sample of a short part may give more values than it would have).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.engine.calibration.selection import keep_smallest_ranks, spread_positions

KEPT_SAMPLES = 64
RESERVOIR_VALUES = 65_536
HISTOGRAM_VALUES = 2**21
"""Enough that 200 lie outside a range which leaves out 1e-4 of them."""
SQUARES_VALUES = 8_192
"""Of a sample: 64 of them give 50 values for each of 10 000 channels."""


@dataclass(frozen=True)
class Reservoir:
    values: np.ndarray
    """(M,) float32, by rising sample number."""
    channels: np.ndarray
    """(M,) unsigned: the channel of each value; all 0 for a tensor without channels."""
    numbers: np.ndarray
    """(K,) int64: the samples, rising."""
    counts: np.ndarray
    """(K,) int64: how many of the M values each of them gave."""

    @staticmethod
    def of_sample(sampled: np.ndarray, number: int, limit: int) -> Reservoir:
        """Of one sample.

        Args:
            sampled: (C, S) float32, channels and (spread) positions; the first positions are taken.
            limit: At most this many values.
        """
        channels, size = sampled.shape
        chosen = spread_positions(channels, limit, number)
        taken = sampled[chosen, : min(size, max(1, limit // max(1, channels)))]
        kind = np.min_scalar_type(max(0, channels - 1))
        return Reservoir(
            np.ascontiguousarray(taken, np.float32).reshape(-1),
            np.repeat(chosen, taken.shape[1]).astype(kind),
            np.array([number]),
            np.array([taken.size]),
        )

    @staticmethod
    def joined(parts: list[Reservoir]) -> Reservoir:
        """Of parts with different samples, at least one; thinned to KEPT_SAMPLES."""
        rows = [row for part in parts for row in part._rows()]
        kept = [rows[index] for index in keep_smallest_ranks(np.array([row[0] for row in rows]), KEPT_SAMPLES)]
        return Reservoir(
            np.concatenate([row[1] for row in kept]),
            np.concatenate([row[2] for row in kept]),
            np.array([row[0] for row in kept], np.int64),
            np.array([len(row[1]) for row in kept], np.int64),
        )

    def merged(self, other: Reservoir) -> Reservoir:
        return Reservoir.joined([self, other])

    def _rows(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(number, values, channels) of each sample."""
        ends = np.cumsum(self.counts)[:-1]
        return list(zip(self.numbers.tolist(), np.split(self.values, ends), np.split(self.channels, ends), strict=True))


def sampled_values(total: int | None, *, histogram: bool) -> int:
    """How many values of a sample observed in full are looked at singly; the reservoir holds some of them.

    Every value that is taken out of the runtime costs 5 ns, and ten times that in a histogram.
    """
    kept = KEPT_SAMPLES if total is None else max(1, min(KEPT_SAMPLES, total))
    return HISTOGRAM_VALUES // kept if histogram else max(SQUARES_VALUES, values_per_sample(total))


def values_per_sample(total: int | None) -> int:
    """How many values each kept sample gives; few samples give more each. `total` None: unknown."""
    return RESERVOIR_VALUES // (KEPT_SAMPLES if total is None else max(1, min(KEPT_SAMPLES, total)))
