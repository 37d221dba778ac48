"""Statistics -> one 8-bit grid per value: the range estimator's range, merged over a sharing group, on uint8.

Non-negative values use all of 0..255 with zero point 0. Signed ones get the range as it is, with its own zero point: unsigned
activations with any zero point run in the same kernels of onnxruntime (placement.md §1, "Types"), and symmetric ones waste up
to a bit. Symmetric by hand means zero point 128, the grid of int8 in the type that fuses everywhere (trap 2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.engine.calibration.range_estimators import get_range_estimator
from app.engine.calibration.statistics import TensorStatistics
from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.tensors import TensorPlan

Range = tuple[float, float]


def estimate_ranges(statistics: Mapping[str, TensorStatistics], plan: TensorPlan, estimator: str) -> dict[str, Range]:
    """Sharing group -> its range, for every gridded value of the plan.

    Args:
        estimator: A name of `range_estimators`.
    """
    estimate = get_range_estimator(estimator)
    ranges: dict[str, Range] = {}
    for name in plan.gridded:
        low, high = estimate(statistics[name])
        smallest, largest = plan.clip.get(name, (-np.inf, np.inf))
        low, high = max(low, smallest), min(high, largest)
        group = plan.shared[name]
        before = ranges.get(group, (0.0, 0.0))
        ranges[group] = min(before[0], low), max(before[1], high)
    return ranges


def grids_on(ranges: Mapping[str, Range], plan: TensorPlan, settings: QuantizationSettings) -> dict[str, QParams]:
    """Value name -> grid, for every gridded value of the plan."""
    symmetric = settings.activations == "symmetric"
    grids = {group: compute_qparams(low, high, "uint8", symmetric=symmetric) for group, (low, high) in ranges.items()}
    return {name: grids[plan.shared[name]] for name in plan.gridded}


def signed_values(statistics: Mapping[str, TensorStatistics]) -> frozenset[str]:
    """Values that went below 0 on the calibration samples."""
    return frozenset(name for name, seen in statistics.items() if seen.minimum < 0)
