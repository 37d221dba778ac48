"""Statistics -> one 8-bit grid per value: the range estimator's range, merged over a sharing group, on uint8.

Non-negative values use all of 0..255 with zero point 0. Signed ones are symmetric around zero point 128 under the performance
preset (the grid of int8, in the type whose kernels fuse everywhere: placement.md §1, trap 2), asymmetric under mixed.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.engine.calibration.observers import TensorStatistics
from app.engine.calibration.range_estimators import get_range_estimator
from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.tensors import TensorPlan


def estimate_grids(
    statistics: Mapping[str, TensorStatistics], plan: TensorPlan, settings: QuantizationSettings
) -> dict[str, QParams]:
    """Value name -> grid, for every gridded value of the plan."""
    estimator = get_range_estimator("minmax" if settings.range_estimator == "auto" else settings.range_estimator)
    ranges: dict[str, tuple[float, float]] = {}
    for name in plan.gridded:
        low, high = estimator(statistics[name])
        smallest, largest = plan.clip.get(name, (low, high))
        low, high = max(low, smallest), min(high, largest)
        group = plan.shared[name]
        before = ranges.get(group, (0.0, 0.0))
        ranges[group] = min(before[0], low), max(before[1], high)
    symmetric = settings.preset == "performance"
    grids = {group: compute_qparams(low, high, "uint8", symmetric=symmetric) for group, (low, high) in ranges.items()}
    return {name: grids[plan.shared[name]] for name in plan.gridded}


def signed_values(statistics: Mapping[str, TensorStatistics]) -> frozenset[str]:
    """Values that went below 0 on the calibration samples."""
    return frozenset(name for name, seen in statistics.items() if seen.minimum < 0)
