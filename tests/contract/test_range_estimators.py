"""What every range estimator must do, whatever it optimises."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.calibration.observers import observe
from app.engine.calibration.range_estimators import RANGE_ESTIMATORS, get_range_estimator
from app.errors import WorkbenchError

every_estimator = pytest.mark.parametrize("name", sorted(RANGE_ESTIMATORS))


def statistics(values):
    return observe("x", np.asarray(values, np.float32), histogram=True)


@every_estimator
def test_range_lies_within_what_was_seen(name):
    values = np.random.default_rng(1).standard_t(3, size=(16, 500))
    low, high = get_range_estimator(name)(statistics(values))
    assert values.min() - 1e-6 <= low < high <= values.max() + 1e-6


@every_estimator
def test_relu_output_keeps_its_zero(name):
    values = np.maximum(np.random.default_rng(2).normal(size=(8, 400)), 0)
    low, _ = get_range_estimator(name)(statistics(values))
    assert low == 0.0


@every_estimator
def test_constant_zero_is_not_an_error(name):
    assert get_range_estimator(name)(statistics(np.zeros((2, 10)))) == (0.0, 0.0)


def test_mse_beats_minmax_on_an_outlier_by_its_own_measure():
    values = np.concatenate([np.random.default_rng(3).normal(size=20_000), [40.0]]).reshape(1, -1)

    def squared_error(low, high):
        step = (high - low) / 255
        return float(np.sum((values - np.rint(np.clip(values, low, high) / step) * step) ** 2))

    seen = statistics(values)
    assert squared_error(*get_range_estimator("mse")(seen)) < squared_error(*get_range_estimator("minmax")(seen))


def test_percentile_leaves_out_the_promised_share():
    values = np.random.default_rng(4).normal(size=(1, 60_000))
    low, high = get_range_estimator("percentile")(statistics(values))
    outside = np.mean((values < low) | (values > high))
    assert outside <= 2e-4
    assert high < values.max()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(WorkbenchError, match="no range estimator") as refused:
        get_range_estimator("magic")
    assert "minmax" in refused.value.hint
