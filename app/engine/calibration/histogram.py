"""A histogram that widens as it goes and merges exactly, in any order.

    B      number of bins, fixed
    R      half width: the histogram covers [-R, R), R = 2^k
    w      bin width 2R / B, a power of two

Because R is always a power of two and the bins are centred on 0, the bins for R nest in those for 2R: two neighbours
become one. Widening therefore gives exactly the counts that binning with the larger R from the start would have given,
and merging is associative and commutative (property-tested).

Degenerate inputs: an empty array changes nothing; all zeros keep the smallest R; NaN and infinities must be refused before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BINS = 4096
SMALLEST_EXPONENT = -40
"""R never falls below 2^-40: a tensor of zeros has a histogram, too."""


@dataclass(frozen=True)
class Histogram:
    exponent: int
    """k of R = 2^k."""
    counts: np.ndarray
    """(BINS,) int64."""

    @property
    def half_width(self) -> float:
        return math.ldexp(1.0, self.exponent)

    @property
    def centres(self) -> np.ndarray:
        """(BINS,) float64: middle of each bin."""
        width = 2 * self.half_width / BINS
        return (np.arange(BINS) + 0.5) * width - self.half_width

    @staticmethod
    def of(values: np.ndarray) -> Histogram:
        """Of a float array of any shape, all finite."""
        flat = np.asarray(values, np.float32).reshape(-1)
        largest = float(np.max(np.abs(flat), initial=0.0))
        exponent = SMALLEST_EXPONENT if largest == 0 else max(SMALLEST_EXPONENT, math.frexp(largest)[1])  # largest < 2^k
        scale = BINS / 2 / math.ldexp(1.0, exponent)
        index = np.floor(flat.astype(np.float64) * scale).astype(np.int64) + BINS // 2
        return Histogram(exponent, np.bincount(index, minlength=BINS).astype(np.int64))

    def widened(self, exponent: int) -> Histogram:
        """The same samples on [-2^exponent, 2^exponent)."""
        counts = self.counts
        for _ in range(min(exponent - self.exponent, BINS.bit_length())):
            pairs = counts.reshape(BINS // 2, 2).sum(axis=1)
            counts = np.zeros(BINS, np.int64)
            counts[BINS // 4 : 3 * BINS // 4] = pairs
        return Histogram(exponent, counts)

    def merged(self, other: Histogram) -> Histogram:
        exponent = max(self.exponent, other.exponent)
        return Histogram(exponent, self.widened(exponent).counts + other.widened(exponent).counts)
