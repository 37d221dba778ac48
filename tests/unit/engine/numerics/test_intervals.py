"""Intervals against scipy and against exact coverage: every outcome enumerated, no sampling error in the test itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from app.engine.numerics.intervals import (
    Z_95,
    _tango_score,
    bootstrap_ratio,
    drop_from_counts,
    mcnemar_exact,
    paired_drop,
    wilson_interval,
)
from tests.support.judge import load_judge
from tests.support.shared import needs_shared


@pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (0, 100), (73, 100), (100, 100), (441, 500), (3, 7)])
def test_wilson_interval_equals_scipy(correct: int, n: int) -> None:
    interval = wilson_interval(correct, n)
    oracle = stats.binomtest(correct, n).proportion_ci(method="wilson")
    assert interval.value == correct / n
    assert interval.low == pytest.approx(oracle.low, abs=1e-12)
    assert interval.high == pytest.approx(oracle.high, abs=1e-12)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 10), (11, 10)])
def test_wilson_interval_refuses_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="correct"):
        wilson_interval(correct, n)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (0, 7), (5, 5), (12, 3), (40, 71), (700, 500)])
def test_mcnemar_equals_scipys_exact_binomial_test(lost: int, gained: int) -> None:
    oracle = stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert mcnemar_exact(lost, gained) == pytest.approx(oracle, rel=1e-9)


def test_paired_drop_counts_the_changed_verdicts() -> None:
    reference = np.array([True, True, True, False, False])
    candidate = np.array([True, False, False, True, False])
    drop = paired_drop(reference, candidate)
    assert (drop.n, drop.lost, drop.gained) == (5, 2, 1)
    assert drop.points.value == pytest.approx(20.0)
    assert drop.points.low < 20.0 < drop.points.high


def test_no_changed_verdict_still_leaves_doubt() -> None:
    drop = drop_from_counts(100, 0, 0)
    limit = 100 * Z_95**2 / (100 + Z_95**2)
    assert drop.points.value == 0
    assert drop.points.high == pytest.approx(limit, abs=1e-9)
    assert drop.points.low == pytest.approx(-limit, abs=1e-9)
    assert drop.p_value == 1.0


def test_swapping_reference_and_candidate_mirrors_the_drop() -> None:
    there, back = drop_from_counts(80, 9, 2), drop_from_counts(80, 2, 9)
    assert there.points.low == pytest.approx(-back.points.high, abs=1e-9)
    assert there.points.high == pytest.approx(-back.points.low, abs=1e-9)
    assert there.p_value == back.p_value


@pytest.mark.parametrize(("n", "lost", "gained"), [(1, 1, 0), (1, 0, 1), (10, 10, 0), (10, 0, 10), (4, 2, 2), (1, 0, 0)])
def test_extreme_counts_stay_inside_what_is_possible(n: int, lost: int, gained: int) -> None:
    points = drop_from_counts(n, lost, gained).points
    assert -100 <= points.low <= points.value <= points.high <= 100
    assert points.low < points.high


def test_paired_drop_refuses_unequal_or_empty_verdicts() -> None:
    with pytest.raises(ValueError, match="equal"):
        paired_drop(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="n >= 1"):
        paired_drop(np.ones(0, bool), np.ones(0, bool))


def _likelihood_score(n: int, b: int, c: int, d: float) -> float:
    """Tango's z with the restricted estimate found by a numerical maximum in place of the closed form."""

    def unlikely(p21: float) -> float:
        cells = ((b, p21 + d), (c, p21), (n - b - c, 1 - 2 * p21 - d))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    found = optimize.minimize_scalar(unlikely, bounds=(max(0.0, -d), (1 - d) / 2), method="bounded", options={"xatol": 1e-12})
    return float((b - c - n * d) / math.sqrt(n * (2 * found.x + d * (1 - d))))


@pytest.mark.parametrize(("n", "lost", "gained"), [(100, 3, 1), (100, 8, 2), (500, 3, 3), (44, 0, 5), (20, 6, 6)])
@pytest.mark.parametrize("d", [-0.31, -0.02, 0.015, 0.2, 0.6])
def test_score_uses_the_restricted_maximum_likelihood_estimate(n: int, lost: int, gained: int, d: float) -> None:
    assert _tango_score(n, lost, gained, d) == pytest.approx(_likelihood_score(n, lost, gained, d), rel=1e-4)


def _coverage(n: int, p_lost: float, p_gained: float) -> float:
    """Exact probability that the interval holds the true drop, over all (lost, gained) that are not negligible."""
    cover, seen = 0.0, 0.0
    truth = 100 * (p_lost - p_gained)
    law = stats.multinomial(n, [p_lost, p_gained, 1 - p_lost - p_gained])
    for lost in range(n + 1):
        if stats.binom.pmf(lost, n, p_lost) < 1e-7:
            continue
        for gained in range(n + 1 - lost):
            probability = float(law.pmf([lost, gained, n - lost - gained]))
            if probability < 1e-7:
                continue
            points = drop_from_counts(n, lost, gained).points
            seen += probability
            cover += probability * (points.low <= truth <= points.high)
    assert seen > 0.999
    return cover


@pytest.mark.parametrize("n", [30, 100])
def test_interval_covers_the_true_drop_95_times_in_100(n: int) -> None:
    rates = [(0.006, 0.006), (0.02, 0.0), (0.02, 0.01), (0.05, 0.05), (0.086, 0.022), (0.138, 0.016)]
    covered = [_coverage(n, lost, gained) for lost, gained in rates]
    # Counts are discrete, so a single rate may lie a little below the nominal value; on average none is missing.
    assert min(covered) > 0.93, covered
    assert np.mean(covered) > 0.95, covered


def test_bootstrap_ratio_holds_the_ratio_and_follows_the_seed() -> None:
    generator = np.random.default_rng(3)
    other = 0.010 + 0.001 * generator.random(40)
    reference = 2 * other * (1 + 0.01 * generator.standard_normal(40))
    ratio = bootstrap_ratio(reference, other, seed=1)
    assert ratio.low < 2.0 < ratio.high
    assert ratio.high - ratio.low < 0.2
    assert ratio == bootstrap_ratio(reference, other, seed=1)
    assert ratio != bootstrap_ratio(reference, other, seed=2)


def test_bootstrap_ratio_refuses_unpaired_rounds() -> None:
    with pytest.raises(ValueError, match="equal"):
        bootstrap_ratio(np.ones(3), np.ones(4), seed=0)


@needs_shared
def test_bootstrap_ratio_equals_the_judges() -> None:
    generator = np.random.default_rng(5)
    reference, other = 2 + generator.random(31), 1 + generator.random(31)
    ratio = bootstrap_ratio(reference, other, seed=0)
    assert (ratio.value, ratio.low, ratio.high) == load_judge().ratio_interval(reference, other)
