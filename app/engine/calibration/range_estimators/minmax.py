"""The smallest and largest value seen: nothing is ever clipped."""

from __future__ import annotations

from app.engine.calibration.observers import TensorStatistics


def minmax_range(statistics: TensorStatistics) -> tuple[float, float]:
    return statistics.minimum, statistics.maximum
