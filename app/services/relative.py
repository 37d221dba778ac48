"""Speed and accuracy of one variant against another, also when both were only measured against the original.

Notation: s_a, s_b = speed-ups of two variants against the original, each with its 95 % interval.

    ratio = s_b / s_a      log half-width = sqrt(h_a² + h_b²),  h = half-width of log s

Exact for independent errors. Measured in the same rounds, both share the original's error, so the true interval is
narrower: the one given here is on the safe side.
"""

from __future__ import annotations

import math
from typing import Literal

from app.engine.benchmark.verdict import SpeedState, judge_speed
from app.engine.numerics.intervals import Interval, PairedDrop

AccuracyState = Literal["unchanged", "lower", "higher", "cannot-tell"]
DEFAULT_MARGIN = 1.0
"""Points within which accuracy counts as unchanged when the limit is 0."""


def divide(numerator: Interval, denominator: Interval) -> Interval:
    """numerator / denominator of two ratios against the same original; all bounds > 0."""
    value = numerator.value / denominator.value
    low = math.hypot(math.log(numerator.value / numerator.low), math.log(denominator.high / denominator.value))
    high = math.hypot(math.log(numerator.high / numerator.value), math.log(denominator.value / denominator.low))
    return Interval(value, value * math.exp(-low), value * math.exp(high))


def judge_latency(ratio: Interval) -> SpeedState:
    """As `judge_speed`, for a ratio of latencies: below 1 is faster."""
    return judge_speed(Interval(1 / ratio.value, 1 / ratio.high, 1 / ratio.low))


def judge_accuracy(drop: PairedDrop, allowed_points: float) -> AccuracyState:
    """lower/higher: the interval of points lost excludes 0. unchanged: all of it lies within the limit, on both sides."""
    points, margin = drop.points, allowed_points or DEFAULT_MARGIN
    if points.low > 0:
        return "lower"
    if points.high < 0:
        return "higher"
    return "unchanged" if -margin <= points.low and points.high <= margin else "cannot-tell"
