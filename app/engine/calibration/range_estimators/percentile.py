"""The range that leaves a share of the values outside at each end (POT's quantile estimator, whose outlier_prob is 1e-4).

    percentile:p    1 - p / 100 of the values outside at each end; p = 99.99 by default

An end at exactly 0 stays there, so a ReLU's output keeps its whole lower half. Degenerate: p = 100 is minmax.
"""

from __future__ import annotations

import numpy as np

from app.engine.calibration.observers import TensorStatistics

DEFAULT_PERCENTILE = 99.99


def percentile_range(statistics: TensorStatistics, percentile: float = DEFAULT_PERCENTILE) -> tuple[float, float]:
    """
    Args:
        percentile: 50 < p <= 100.

    Raises:
        ValueError: the statistics have no histogram (a programming error).
    """
    histogram = statistics.histogram
    if histogram is None:
        raise ValueError("the percentile estimator needs a histogram")
    outliers = 1 - percentile / 100
    cumulative = np.cumsum(histogram.counts)
    total = cumulative[-1]
    width = 2 * histogram.half_width / len(histogram.counts)
    low = np.searchsorted(cumulative, outliers * total, side="right") * width - histogram.half_width
    high = (np.searchsorted(cumulative, (1 - outliers) * total, side="left") + 1) * width - histogram.half_width
    return max(float(low), statistics.minimum), min(float(high), statistics.maximum)
