"""Speed of one variant against another, derived from both against the original."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.intervals import Interval, drop_from_counts
from app.services.relative import divide, judge_accuracy, judge_latency

ratios = st.floats(0.2, 5.0).flatmap(
    lambda value: st.tuples(st.just(value), st.floats(1.0, 1.5), st.floats(1.0, 1.5)).map(
        lambda t: Interval(t[0], t[0] / t[1], t[0] * t[2])
    )
)


@given(ratios, ratios)
def test_dividing_is_symmetric(a: Interval, b: Interval) -> None:
    forward, backward = divide(a, b), divide(b, a)
    assert math.isclose(forward.value * backward.value, 1, rel_tol=1e-9)
    assert math.isclose(forward.low * backward.high, 1, rel_tol=1e-9)
    assert forward.low <= forward.value <= forward.high


@given(ratios)
def test_dividing_by_an_exact_one_changes_nothing(a: Interval) -> None:
    result = divide(a, Interval(1, 1, 1))
    assert np.allclose([result.value, result.low, result.high], [a.value, a.low, a.high], rtol=1e-9)


def test_interval_of_independent_errors_is_covered_95_per_cent() -> None:
    """Monte Carlo as the oracle: two log-normal ratios with 2 % and 3 % error."""
    rng = np.random.default_rng(7)
    true_a, true_b, sd_a, sd_b, trials = 1.8, 2.1, 0.02, 0.03, 4000
    hits = 0
    for noise_a, noise_b in zip(rng.normal(0, sd_a, trials), rng.normal(0, sd_b, trials), strict=True):
        a, b = true_a * math.exp(noise_a), true_b * math.exp(noise_b)
        ratio = divide(
            Interval(b, b * math.exp(-1.96 * sd_b), b * math.exp(1.96 * sd_b)),
            Interval(a, a * math.exp(-1.96 * sd_a), a * math.exp(1.96 * sd_a)),
        )
        hits += ratio.low <= true_b / true_a <= ratio.high
    assert abs(hits / trials - 0.95) < 0.011  # three standard errors of a proportion at this count


def test_latency_below_one_is_faster() -> None:
    assert judge_latency(Interval(0.5, 0.49, 0.51)) == "faster"
    assert judge_latency(Interval(1.2, 1.1, 1.3)) == "slower"
    assert judge_latency(Interval(1.0, 0.9, 1.1)) == "cannot-tell"


def test_accuracy_states() -> None:
    assert judge_accuracy(drop_from_counts(500, 0, 0), 1.0) == "unchanged"
    assert judge_accuracy(drop_from_counts(500, 0, 0), 0.0) == "unchanged"
    assert judge_accuracy(drop_from_counts(100, 0, 0), 1.0) == "cannot-tell"
    assert judge_accuracy(drop_from_counts(500, 12, 3), 1.0) == "lower"
    assert judge_accuracy(drop_from_counts(500, 3, 12), 1.0) == "higher"
