"""The median over samples of each sample's minimum and maximum (POT's aggregator "median").

Unlike the mean it does not feel how far the rare samples go. Degenerate: one sample gives its own range.
"""

from __future__ import annotations

import numpy as np

from app.engine.calibration.observers import TensorStatistics


def median_range(statistics: TensorStatistics) -> tuple[float, float]:
    """
    Raises:
        ValueError: the statistics have no extremes of single samples (a programming error).
    """
    if statistics.extremes is None:
        raise ValueError("the median estimator needs the extremes of single samples")
    return float(np.median(statistics.extremes.minima)), float(np.median(statistics.extremes.maxima))
