"""Is the tolerance kept? Decided on sample counts, never on rounded fractions.

A limit of 1 point on n samples allows `lost - gained <= n / 100`; in floating point `1 - 0.99 > 0.01`, and NNCF's
accuracy control misses its own limit by that (accuracy.md §5.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from app.engine.numerics.intervals import PairedDrop
from app.engine.quantize.recipe import DropType

LimitState = Literal["certified", "kept", "missed"]


@dataclass(frozen=True)
class LimitVerdict:
    """state: certified = the whole 95 % interval is inside; kept = the value is inside, the interval reaches out; missed."""

    state: LimitState
    allowed_points: float
    missed_by_points: float
    """0 unless missed."""


def allowed_samples(n: int, reference_correct: int, max_drop: float, drop_type: DropType) -> Fraction:
    """How many samples net may be lost: max_drop points of n, or max_drop per cent of what the reference has right."""
    base = n if drop_type == "absolute" else reference_correct
    return Fraction(str(max_drop)) * base / 100


def judge_limit(drop: PairedDrop, reference_correct: int, max_drop: float, drop_type: DropType = "absolute") -> LimitVerdict:
    allowed = allowed_samples(drop.n, reference_correct, max_drop, drop_type)
    allowed_points = float(100 * allowed / drop.n)
    excess = drop.lost - drop.gained - allowed
    if excess > 0:
        return LimitVerdict("missed", allowed_points, float(100 * excess / drop.n))
    return LimitVerdict("certified" if drop.points.high <= allowed_points else "kept", allowed_points, 0.0)
