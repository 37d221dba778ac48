"""The range that leaves a share of OUTLIERS values outside at each end (POT's quantile estimator, outlier_prob 1e-4).

An end at exactly 0 stays there, so a ReLU's output keeps its whole lower half.
"""

from __future__ import annotations

import numpy as np

from app.engine.calibration.observers import TensorStatistics

OUTLIERS = 1e-4


def percentile_range(statistics: TensorStatistics) -> tuple[float, float]:
    """
    Raises:
        ValueError: the statistics have no histogram (a programming error).
    """
    histogram = statistics.histogram
    if histogram is None:
        raise ValueError("the percentile estimator needs a histogram")
    cumulative = np.cumsum(histogram.counts)
    total = cumulative[-1]
    width = 2 * histogram.half_width / len(histogram.counts)
    low = np.searchsorted(cumulative, OUTLIERS * total, side="right") * width - histogram.half_width
    high = (np.searchsorted(cumulative, (1 - OUTLIERS) * total, side="left") + 1) * width - histogram.half_width
    return max(float(low), statistics.minimum), min(float(high), statistics.maximum)
