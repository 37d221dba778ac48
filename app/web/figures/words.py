"""Numbers as labels print them: true minus, three digits for speed, one decimal for points."""

from __future__ import annotations

import math

from app.engine.numerics.intervals import Interval
from app.services.views import VariantView

MINUS = "−"
NAME_CHARS = 28
"""Longer names are cut in charts; the table beside has them whole."""


def signed(value: float, digits: int = 1) -> str:
    """−1.8, 0.0, +0.4: the sign of what is printed, not of what was rounded away."""
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{MINUS if rounded < 0 else '+'}{abs(rounded):.{digits}f}"


def half_width(interval: Interval) -> float:
    """The larger side: never promises more than the interval does."""
    return max(interval.high - interval.value, interval.value - interval.low)


def points_change(drop: Interval) -> str:
    """A drop (positive is worse) as change: −1.8 ± 1.5."""
    return f"{signed(-drop.value)} ± {half_width(drop):.1f}"


def fps(value: float) -> str:
    """Three significant digits: 318, 31.8, 3.18."""
    if value <= 0 or not math.isfinite(value):
        return "–"
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}".replace(",", " ")


def ratio(value: float) -> str:
    return f"{value:.2f}×"


def megabytes(size_bytes: int) -> float:
    return size_bytes / 1e6


def short_name(variant: VariantView) -> str:
    """AccuracyAware says INT8 already; the rest of a long name is in the table."""
    name = variant.name.removeprefix("INT8 ") if variant.method == "int8-accuracy-aware" else variant.name
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
