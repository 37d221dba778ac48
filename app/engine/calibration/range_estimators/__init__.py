"""Statistics of a tensor -> (range_min, range_max). One estimator a module, each a function of the same signature."""

from __future__ import annotations

from collections.abc import Callable

from app.engine.calibration.observers import TensorStatistics
from app.engine.calibration.range_estimators.averaged import averaged_range
from app.engine.calibration.range_estimators.minmax import minmax_range
from app.engine.calibration.range_estimators.mse import mse_range
from app.engine.calibration.range_estimators.percentile import percentile_range
from app.errors import WorkbenchError

RangeEstimator = Callable[[TensorStatistics], tuple[float, float]]

RANGE_ESTIMATORS: dict[str, RangeEstimator] = {
    "minmax": minmax_range,
    "averaged": averaged_range,
    "percentile": percentile_range,
    "mse": mse_range,
}
NEEDS_HISTOGRAM = frozenset({"percentile", "mse"})


def get_range_estimator(name: str) -> RangeEstimator:
    """
    Raises:
        WorkbenchError: `settings.range_estimator` for an unknown name.
    """
    if name not in RANGE_ESTIMATORS:
        known = ", ".join(RANGE_ESTIMATORS)
        raise WorkbenchError(
            "settings.range_estimator",
            f'There is no range estimator "{name}".',
            where="range_estimator",
            hint=f"Choose one of {known}.",
        )
    return RANGE_ESTIMATORS[name]
