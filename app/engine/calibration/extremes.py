"""The extremes of single samples, for averages that resist outliers (POT's aggregator "median")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.engine.calibration.selection import keep_smallest_ranks

EXTREMES_SAMPLES = 1024
"""Of at most this many samples, spread evenly: a median of 1024 is as good as one of all, and memory stays fixed."""


@dataclass(frozen=True)
class SampleExtremes:
    numbers: np.ndarray
    """(K,) int64: sample numbers, rising."""
    minima: np.ndarray
    """(K,) float32."""
    maxima: np.ndarray
    """(K,) float32."""

    def thinned(self) -> SampleExtremes:
        kept = keep_smallest_ranks(self.numbers, EXTREMES_SAMPLES)
        return SampleExtremes(self.numbers[kept], self.minima[kept], self.maxima[kept])

    def merged(self, other: SampleExtremes) -> SampleExtremes:
        pairs = ((self.numbers, other.numbers), (self.minima, other.minima), (self.maxima, other.maxima))
        return SampleExtremes(*(np.concatenate(pair) for pair in pairs)).thinned()
