"""What is known of one tensor after a stream of samples: fixed size, mergeable across shards, in any order.

Exact however the samples are split: minimum, maximum, samples, histogram, reservoir, extremes (the shards observed as shares of
one total). Equal up to rounding of float64 sums: sum_minimum, sum_maximum and the sums of the channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from app.engine.calibration.channels import ChannelStatistics
from app.engine.calibration.extremes import SampleExtremes
from app.engine.calibration.histogram import Histogram
from app.engine.calibration.reservoir import Reservoir

Part = TypeVar("Part")


@dataclass(frozen=True)
class TensorStatistics:
    minimum: float
    """Over everything seen. 0 for a value that cannot be negative (a Relu's output): a range includes 0 anyway."""
    maximum: float
    sum_minimum: float
    """Of the minima of single samples, for averaged ranges."""
    sum_maximum: float
    samples: int
    histogram: Histogram | None
    """Of the sampled positions of the samples observed in full; None when no estimator needs it."""
    channels: ChannelStatistics | None = None
    """None when the tensor's shape differs from sample to sample."""
    reservoir: Reservoir | None = None
    extremes: SampleExtremes | None = None

    def merged(self, other: TensorStatistics) -> TensorStatistics:
        return TensorStatistics(
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.sum_minimum + other.sum_minimum,
            self.sum_maximum + other.sum_maximum,
            self.samples + other.samples,
            _both(self.histogram, other.histogram, Histogram.merged),
            _both(self.channels, other.channels, ChannelStatistics.merged),
            _both(self.reservoir, other.reservoir, Reservoir.merged),
            _both(self.extremes, other.extremes, SampleExtremes.merged),
        )


def _both(ours: Part | None, theirs: Part | None, merge: Callable[[Part, Part], Part | None]) -> Part | None:
    """A part that one side lacks is lost: it would not speak for all samples."""
    return None if ours is None or theirs is None else merge(ours, theirs)
