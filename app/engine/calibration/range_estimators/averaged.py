"""The mean over samples of each sample's minimum and maximum (POT's aggregator "mean").

Clips the rare extremes of single samples. Lost on all three ImageNet models (accuracy.md §3.4); offered because POT has it.
"""

from __future__ import annotations

from app.engine.calibration.observers import TensorStatistics


def averaged_range(statistics: TensorStatistics) -> tuple[float, float]:
    return statistics.sum_minimum / statistics.samples, statistics.sum_maximum / statistics.samples
