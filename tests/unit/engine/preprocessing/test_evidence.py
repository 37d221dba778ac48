from __future__ import annotations

import math

import numpy as np
import pytest

from app.engine.preprocessing.evidence import FLOOR, Evidence, lead


def evidence(probabilities: list[list[float]], positions: list[int]) -> Evidence:
    return Evidence(np.array(probabilities, np.float32), np.array(positions))


SURE = [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2]]


def test_hits_confidence_and_likelihood_of_a_worked_example() -> None:
    seen = evidence(SURE, [0, 1, 1])
    assert (seen.tried, seen.matches) == (3, 2)
    assert seen.confidence == pytest.approx((0.9 + 0.9 + 0.8) / 3)
    assert seen.score == pytest.approx((math.log(0.9) + math.log(0.9) + math.log(0.2)) / 3, abs=1e-6)


def test_one_absurd_miss_counts_no_more_than_the_floor() -> None:
    seen = evidence([[1.0, 0.0]], [1])
    assert seen.score == pytest.approx(math.log(FLOOR / 2))


def test_unlabelled_samples_do_not_count_as_misses() -> None:
    assert evidence(SURE, [0, -1, -1]).score == pytest.approx(math.log(0.9), abs=1e-6)


def test_information_is_zero_when_the_model_always_says_the_same() -> None:
    assert evidence([[1.0, 0.0]] * 4, [-1] * 4).score == pytest.approx(0.0, abs=1e-9)
    assert evidence([[0.5, 0.5]] * 4, [-1] * 4).score == pytest.approx(0.0, abs=1e-6)


def test_information_is_largest_when_it_is_sure_of_different_things() -> None:
    assert evidence([[1.0, 0.0], [0.0, 1.0]], [-1, -1]).score == pytest.approx(math.log(2))


def test_lead_counts_standard_errors_over_common_samples() -> None:
    better, worse = evidence(SURE, [0, 1, 0]), evidence([[0.5, 0.5]] * 2, [0, 1])
    assert lead(better, worse) == math.inf  # both samples gain the same
    mixed = evidence([[0.5, 0.5], [0.2, 0.8]], [0, 1])
    gains = np.log([0.9 / 0.5, 0.9 / 0.8])
    assert lead(better, mixed) == pytest.approx(gains.mean() / (gains.std(ddof=1) / math.sqrt(2)), rel=1e-5)
    assert lead(mixed, better) == pytest.approx(-lead(better, mixed))
    assert lead(better, better) == 0
