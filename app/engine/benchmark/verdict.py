"""Faster, slower, the same, or cannot tell: from the interval of a ratio (mock/GUIDE.md §4)."""

from __future__ import annotations

from typing import Literal

from app.engine.numerics.intervals import Interval

SpeedState = Literal["faster", "slower", "same", "cannot-tell"]
SAME_WITHIN = 0.02
"""Two variants whose speed differs by at most 2 % either way are called the same: below what a user would notice."""


def judge_speed(speedup: Interval) -> SpeedState:
    if speedup.low >= 1 - SAME_WITHIN and speedup.high <= 1 + SAME_WITHIN:
        return "same"
    if speedup.low > 1:
        return "faster"
    if speedup.high < 1:
        return "slower"
    return "cannot-tell"
