"""The tolerance is judged on counts: no floating-point miss, no floating-point pass."""

from __future__ import annotations

import pytest

from app.engine.accuracy_aware.verdict import judge_limit
from app.engine.numerics.intervals import Interval, PairedDrop


def drop(n, lost, gained, high):
    value = 100 * (lost - gained) / n
    return PairedDrop(n, lost, gained, Interval(value, 2 * value - high, high), 1.0)


@pytest.mark.parametrize(
    ("n", "lost", "gained", "max_drop", "drop_type", "correct", "state", "missed_by"),
    [
        (200, 2, 0, 1.0, "absolute", 200, "kept", 0.0),  # exactly 1 point of 200: 1 - 0.99 > 0.01 in floating point
        (200, 3, 0, 1.0, "absolute", 200, "missed", 0.5),
        (1000, 7, 0, 0.7, "absolute", 900, "kept", 0.0),  # 0.7 has no exact binary form
        (1000, 8, 0, 0.7, "absolute", 900, "missed", 0.1),
        (100, 0, 0, 0.0, "absolute", 73, "kept", 0.0),
        (100, 1, 0, 0.0, "absolute", 73, "missed", 1.0),
        (100, 3, 5, 0.0, "absolute", 73, "kept", 0.0),  # a gain is inside any limit
        (500, 4, 0, 1.0, "relative", 400, "kept", 0.0),  # 1 % of 400 right answers = 4 samples
        (500, 5, 0, 1.0, "relative", 400, "missed", 0.2),
    ],
)
def test_limit(n, lost, gained, max_drop, drop_type, correct, state, missed_by):
    verdict = judge_limit(drop(n, lost, gained, high=50.0), correct, max_drop, drop_type)
    assert verdict.state == state
    assert verdict.missed_by_points == pytest.approx(missed_by)


def test_certified_only_when_the_whole_interval_is_inside():
    assert judge_limit(drop(500, 2, 2, high=0.8), 430, 1.0).state == "certified"
    assert judge_limit(drop(500, 2, 2, high=1.01), 430, 1.0).state == "kept"
