"""Statistics of the single channels of one tensor: what alignment and weighted ranges need.

    C     channels, along the axis that the tensor's readers treat as channels
    S     positions of one channel in one sample

Minima, maxima and sums see every position of every sample; squares see sampled positions of some samples (all of them would
cost a third of the time for no better an answer). Merging adds in float64: equal to one pass up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ChannelStatistics:
    axis: int
    """Of the channels in the tensor."""
    minimum: np.ndarray
    """(C,) float32: over everything seen; 0 for a value that cannot be negative."""
    maximum: np.ndarray
    """(C,) float32."""
    sum_minimum: np.ndarray
    """(C,) float64: of single samples' minima; divided by the samples, the averaged minimum."""
    sum_maximum: np.ndarray
    """(C,) float64."""
    total: np.ndarray
    """(C,) float64: sum over all positions of all samples."""
    count: int
    """Positions in `total`, samples × S."""
    squares: np.ndarray
    """(C,) float64: sum of squares over the sampled positions."""
    square_count: int
    """Positions in `squares`; 0 when no sample was observed in full."""

    @property
    def mean(self) -> np.ndarray:
        """(C,) float64."""
        return self.total / max(1, self.count)

    @property
    def mean_square(self) -> np.ndarray:
        """(C,) float64: E[x²], not centred."""
        return self.squares / max(1, self.square_count)

    @property
    def largest(self) -> np.ndarray:
        """(C,) float32: the largest magnitude."""
        largest: np.ndarray = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return largest

    def merged(self, other: ChannelStatistics) -> ChannelStatistics | None:
        """None when the two do not have the same channels."""
        if self.axis != other.axis or self.minimum.shape != other.minimum.shape:
            return None
        return ChannelStatistics(
            self.axis,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.sum_minimum + other.sum_minimum,
            self.sum_maximum + other.sum_maximum,
            self.total + other.total,
            self.count + other.count,
            self.squares + other.squares,
            self.square_count + other.square_count,
        )
