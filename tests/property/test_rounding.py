"""Second-moment rounding: never worse than nearest where it counts, nearest where there is nothing to gain."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.quantize.rounding import round_channels_with_moments, round_with_moments, second_moments

SCALE = np.float32(0.05)


def correlated(seed, n, k):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, k)) @ rng.normal(size=(k, k))).astype(np.float32)


def output_error(weights, rounded, moments):
    difference = weights - rounded * SCALE
    return float(np.einsum("ck,kl,cl->", difference, moments, difference))


def to_nearest(weights):
    return np.clip(np.rint(weights / SCALE), -127, 127)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 90))
def test_output_error_is_below_nearest_on_correlated_inputs(seed, k):
    moments, _ = second_moments(correlated(seed, 400, k))
    weights = np.random.default_rng(seed + 1).normal(size=(16, k)).astype(np.float32)
    rounded = round_with_moments(weights, np.full(16, SCALE), moments)
    assert output_error(weights, rounded, moments) <= output_error(weights, to_nearest(weights), moments) * 1.001


@given(st.integers(0, 1000), st.integers(1, 30))
def test_independent_inputs_leave_nothing_to_gain(seed, k):
    weights = np.random.default_rng(seed).normal(size=(4, k)).astype(np.float32)
    np.testing.assert_array_equal(round_with_moments(weights, np.full(4, SCALE), np.eye(k)), to_nearest(weights))


@given(st.integers(0, 1000))
def test_constant_input_is_rounded_to_nearest(seed):
    weights = np.random.default_rng(seed).normal(size=(4, 9)).astype(np.float32)
    np.testing.assert_array_equal(round_with_moments(weights, np.full(4, SCALE), np.zeros((9, 9))), to_nearest(weights))


@given(st.integers(0, 1000))
def test_weights_on_the_grid_stay_there(seed):
    moments, _ = second_moments(correlated(seed, 200, 20))
    integers = np.random.default_rng(seed).integers(-127, 128, (6, 20))
    rounded = round_with_moments((integers * SCALE).astype(np.float32), np.full(6, SCALE), moments)
    np.testing.assert_array_equal(rounded, integers)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([4, 9, 25]))
def test_channels_together_equal_channels_one_by_one(seed, k):
    moments = np.stack([second_moments(correlated(seed + c, 100, k))[0] for c in range(5)])
    weights = np.random.default_rng(seed).normal(size=(5, k)).astype(np.float32)
    scales = np.linspace(0.02, 0.08, 5, dtype=np.float32)
    one_by_one = [round_with_moments(weights[c : c + 1], scales[c : c + 1], moments[c]) for c in range(5)]
    np.testing.assert_array_equal(round_channels_with_moments(weights, scales, moments), np.concatenate(one_by_one))
