"""Statistics of a tensor -> (range_min, range_max). One estimator a module, each a function of the same signature.

A name may carry a number: `percentile:99.9`. Every range includes 0, which must be exact on every grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.engine.calibration.observers import TensorStatistics
from app.engine.calibration.range_estimators.averaged import averaged_range
from app.engine.calibration.range_estimators.entropy import entropy_range
from app.engine.calibration.range_estimators.median import median_range
from app.engine.calibration.range_estimators.minmax import minmax_range
from app.engine.calibration.range_estimators.mse import mse_range
from app.engine.calibration.range_estimators.percentile import percentile_range
from app.errors import WorkbenchError

RangeEstimator = Callable[[TensorStatistics], tuple[float, float]]

RANGE_ESTIMATORS: dict[str, RangeEstimator] = {
    "minmax": minmax_range,
    "averaged": averaged_range,
    "median": median_range,
    "percentile": percentile_range,
    "mse": mse_range,
    "entropy": entropy_range,
}
NEEDS_HISTOGRAM = frozenset({"percentile", "mse", "entropy"})


def get_range_estimator(name: str) -> RangeEstimator:
    """
    Args:
        name: Of RANGE_ESTIMATORS, or `percentile:p` with 50 < p <= 100.

    Raises:
        WorkbenchError: `settings.range_estimator` for an unknown name or a percentile out of its limits.
    """
    base, colon, number = name.partition(":")
    if base not in RANGE_ESTIMATORS or (colon and base != "percentile"):
        known = ", ".join(RANGE_ESTIMATORS)
        raise WorkbenchError(
            "settings.range_estimator",
            f'There is no range estimator "{name}".',
            where="range_estimator",
            hint=f"Choose one of {known}, or percentile:99.9 with another number.",
        )
    estimate = partial(percentile_range, percentile=_percentile(name, number)) if colon else RANGE_ESTIMATORS[base]
    return partial(_including_zero, estimate)


def needs_histogram(name: str) -> bool:
    """`auto` compares estimators of which one does."""
    return name == "auto" or name.partition(":")[0] in NEEDS_HISTOGRAM


def _including_zero(estimate: RangeEstimator, statistics: TensorStatistics) -> tuple[float, float]:
    low, high = estimate(statistics)
    return min(float(low), 0.0), max(float(high), 0.0)


def _percentile(name: str, number: str) -> float:
    try:
        percentile = float(number)
    except ValueError:
        percentile = float("nan")
    if not 50 < percentile <= 100:
        raise WorkbenchError(
            "settings.range_estimator",
            f'A percentile is a number above 50 and at most 100, but "{name}" was given.',
            where="range_estimator",
            hint="percentile:99.99 leaves out one value in 10 000 at each end.",
        )
    return percentile
