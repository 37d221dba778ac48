"""What every range estimator must do, whatever it optimises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.engine.calibration.observers import observe
from app.engine.calibration.range_estimators import RANGE_ESTIMATORS, get_range_estimator, needs_histogram
from app.errors import WorkbenchError

NAMES = [*RANGE_ESTIMATORS, "percentile:99", "percentile:100"]
every_estimator = pytest.mark.parametrize("name", NAMES)
batches = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 60)), elements=st.floats(-1000, 1000, width=16)
)


def statistics(values, **changes):
    return observe("x", np.asarray(values, np.float32), histogram=True, **changes)


@every_estimator
def test_range_lies_within_what_was_seen(name):
    values = np.random.default_rng(1).standard_t(3, size=(16, 500))
    low, high = get_range_estimator(name)(statistics(values))
    assert values.min() - 1e-6 <= low < high <= values.max() + 1e-6


@every_estimator
@given(batches)
@settings(max_examples=12, deadline=None)
def test_range_includes_zero_and_no_more_than_was_seen(name, values):
    low, high = get_range_estimator(name)(statistics(values))
    assert min(values.min(), 0) <= low <= 0 <= high <= max(values.max(), 0)


@every_estimator
@given(batches, st.integers(-8, 8))
@settings(max_examples=12, deadline=None)
def test_range_grows_with_the_values(name, values, exponent):
    factor = 2.0**exponent  # powers of two scale every bin of a histogram exactly
    low, high = get_range_estimator(name)(statistics(values))
    scaled = get_range_estimator(name)(statistics(values * np.float32(factor)))
    np.testing.assert_allclose(scaled, (low * factor, high * factor), rtol=1e-6, atol=1e-12)


@every_estimator
@given(batches, st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_order_of_the_samples_does_not_matter(name, values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    before, after = (get_range_estimator(name)(statistics(some)) for some in (values, values[order]))
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-9)


@every_estimator
def test_merged_shards_give_the_range_of_the_whole(name):
    values = np.random.default_rng(6).laplace(size=(100, 2, 300))
    parts = [statistics(values[a:b], first=a, total=100) for a, b in ((0, 31), (31, 70), (70, 100))]
    merged = parts[1].merged(parts[2]).merged(parts[0])
    whole = get_range_estimator(name)(statistics(values, total=100))
    np.testing.assert_allclose(get_range_estimator(name)(merged), whole, rtol=1e-9)


@every_estimator
def test_relu_output_keeps_its_zero(name):
    values = np.maximum(np.random.default_rng(2).normal(size=(8, 400)), 0)
    low, _ = get_range_estimator(name)(statistics(values))
    assert low == 0.0


@every_estimator
def test_constant_zero_is_not_an_error(name):
    assert get_range_estimator(name)(statistics(np.zeros((2, 10)))) == (0.0, 0.0)


@every_estimator
@pytest.mark.parametrize("value", [3.0, -3.0])
def test_a_constant_is_inside_its_range(name, value):
    low, high = get_range_estimator(name)(statistics(np.full((3, 20), value)))
    assert low <= value * (1 - 1e-3) <= high
    assert low == 0 or high == 0


@every_estimator
def test_one_sample_has_a_range(name):
    low, high = get_range_estimator(name)(statistics(np.random.default_rng(7).normal(size=(1, 2000))))
    assert low < -1 < 1 < high


def test_mse_beats_minmax_on_an_outlier_by_its_own_measure():
    values = np.concatenate([np.random.default_rng(3).normal(size=20_000), [40.0]]).reshape(1, -1)

    def squared_error(low, high):
        step = (high - low) / 255
        return float(np.sum((values - np.rint(np.clip(values, low, high) / step) * step) ** 2))

    seen = statistics(values)
    assert squared_error(*get_range_estimator("mse")(seen)) < squared_error(*get_range_estimator("minmax")(seen))


def test_entropy_leaves_out_a_lone_outlier_and_nothing_of_an_even_spread():
    rng = np.random.default_rng(8)
    normal = np.append(rng.normal(size=50_000), 40.0).reshape(1, -1)
    _, high = get_range_estimator("entropy")(statistics(normal))
    assert 3 < high < 10
    even = rng.uniform(-1, 1, size=(1, 50_000))
    low, high = get_range_estimator("entropy")(statistics(even))
    assert low < -0.95
    assert high > 0.95


def test_entropy_is_not_led_by_the_zeros_of_a_relu():
    values = np.random.default_rng(9).exponential(size=(1, 50_000))
    sparse = np.concatenate([values, np.zeros((1, 450_000))], axis=1)
    (_, dense_high), (_, sparse_high) = (get_range_estimator("entropy")(statistics(some)) for some in (values, sparse))
    assert sparse_high > 0.8 * dense_high


def test_averaged_and_median_are_of_single_samples():
    seen = statistics([[-1.0, 2.0], [-3.0, 4.0], [-20.0, 60.0]])
    assert get_range_estimator("averaged")(seen) == (-8.0, 22.0)
    assert get_range_estimator("median")(seen) == (-3.0, 4.0)


@pytest.mark.parametrize(("name", "share"), [("percentile", 1e-4), ("percentile:99.9", 1e-3), ("percentile:90", 0.1)])
def test_percentile_leaves_out_the_promised_share_at_each_end(name, share):
    values = np.random.default_rng(4).normal(size=(1, 60_000))
    low, high = get_range_estimator(name)(statistics(values))
    for outside in (np.mean(values < low), np.mean(values > high)):
        assert outside <= share
        assert outside >= 0.8 * share - 1 / 60_000
    assert high < values.max()


@pytest.mark.parametrize("name", ["magic", "mse:3", "minmax:", ""])
def test_unknown_name_lists_the_known_ones(name):
    with pytest.raises(WorkbenchError, match="no range estimator") as refused:
        get_range_estimator(name)
    assert "minmax" in refused.value.hint


@pytest.mark.parametrize("number", ["", "50", "100.1", "nan", "inf", "-1", "high"])
def test_percentiles_out_of_their_limits_are_refused(number):
    with pytest.raises(WorkbenchError, match="above 50 and at most 100") as refused:
        get_range_estimator(f"percentile:{number}")
    assert refused.value.code == "settings.range_estimator"


def test_which_names_need_a_histogram():
    assert [name for name in NAMES if needs_histogram(name)] == [
        "percentile",
        "mse",
        "entropy",
        "percentile:99",
        "percentile:100",
    ]
