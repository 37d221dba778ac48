"""The range with the least mean squared quantization error on the histogram.

    f        shrink factor of an end of [minimum, maximum], 0.3 … 1
    s        (f_high maximum - f_low minimum) / 255, the step of an 8-bit grid
    error    sum over bins of count × (centre - clip(round(centre / s) s))²

First both ends together in steps of 0.05, then each end alone in steps of 0.01 around the best (accuracy.md §3.4).
Source: the usual grid search over clipping ranges (e.g. Choukroun et al. 2019, "OMSE"); no formula beyond the one above.
Degenerate: an empty range returns itself.
"""

from __future__ import annotations

import numpy as np

from app.engine.calibration.observers import TensorStatistics

COARSE = np.arange(1.0, 0.29, -0.05)
FINE = np.arange(-0.04, 0.041, 0.01)
LEVELS = 255


def mse_range(statistics: TensorStatistics) -> tuple[float, float]:
    """
    Raises:
        ValueError: the statistics have no histogram (a programming error).
    """
    histogram = statistics.histogram
    if histogram is None:
        raise ValueError("the MSE estimator needs a histogram")
    low, high = min(statistics.minimum, 0.0), max(statistics.maximum, 0.0)
    if high - low <= 0:
        return low, high
    seen = histogram.counts > 0
    centres, counts = histogram.centres[seen], histogram.counts[seen]

    def error(candidate: tuple[float, float]) -> float:
        return _quantization_error(centres, counts, *candidate)

    best = min(((low * f, high * f) for f in COARSE), key=error)
    best = min(((best[0], high * _bounded(best[1] / high + d)) if high > 0 else best for d in FINE), key=error)
    return min(((low * _bounded(best[0] / low + d), best[1]) if low < 0 else best for d in FINE), key=error)


def _bounded(factor: float) -> float:
    return min(1.0, max(0.05, factor))


def _quantization_error(centres: np.ndarray, counts: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / LEVELS
    grid = np.rint(np.clip(centres, low, high) / step) * step
    return float(np.sum(counts * np.square(centres - grid)))
