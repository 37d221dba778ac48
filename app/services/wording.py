"""Numbers as people read them (mock/GUIDE.md §4): true minus sign, points, ratios, sizes. Pure."""

from __future__ import annotations

from app.engine.numerics.intervals import Interval

MINUS = "−"


def signed(value: float, digits: int = 1) -> str:
    """`−1.8`, `+0.4`, and `0.0` without a sign when nothing is left after rounding."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def half_width(interval: Interval) -> float:
    """The larger side of the interval, so that value ± this covers it."""
    return max(interval.high - interval.value, interval.value - interval.low)


def points(value: float, digits: int = 1) -> str:
    """`0.8 points`, `1.0 point`."""
    text = f"{value:.{digits}f}".rstrip("0") if digits > 1 else f"{value:.{digits}f}"
    text = text + "0" if text.endswith(".") else text
    return f"{text} point" if float(text) == 1 else f"{text} points"


def limit(value: float) -> str:
    """A limit as it was typed: `1.0 point`, `0.25 points`."""
    digits = 1 if round(value, 1) == value else 2
    return points(value, digits) if round(value, 2) == value else f"{value:g} points"


def count(value: int) -> str:
    return f"{value:,}"


def images(n: int) -> str:
    return "1 image" if n == 1 else f"{count(n)} images"


def percent(fraction: float, digits: int = 1) -> str:
    """`86.2 %`."""
    return f"{100 * fraction:.{digits}f} %"


def times(value: float) -> str:
    """A ratio inside a sentence: `2.0×`, with a second digit where one would say nothing (`1.04×`)."""
    return f"{value:.2f}×" if value < 1.15 else f"{value:.1f}×"


def ratio(interval: Interval) -> str:
    """`1.80× ± 0.03`."""
    return f"{interval.value:.2f}× ± {half_width(interval):.2f}"


def change(points_lost: Interval) -> str:
    """The change of accuracy from an interval of points *lost*: `−1.8 ± 1.5`."""
    return f"{signed(-points_lost.value)} ± {half_width(points_lost):.1f}"


def fps(value: float) -> str:
    """Three digits: `318 FPS`, `6.12 FPS`, `1,240 FPS`."""
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    rounded = round(value, -1) if value >= 999.5 else value
    return f"{rounded:,.{digits}f} FPS"


def milliseconds(value: float) -> str:
    """`6.9 ms`; two digits below 1 ms: `0.42 ms`."""
    return f"{value:,.1f} ms" if value >= 1 else f"{value:.2f} ms"


def size(size_bytes: float) -> str:
    """Decimal units, as file managers show them: `4.3 MB`."""
    if size_bytes < 1e3:
        return "1 byte" if size_bytes == 1 else f"{size_bytes:.0f} bytes"
    if size_bytes < 999_500:
        return f"{size_bytes / 1e3:.0f} kB"
    if size_bytes < 999.95e6:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{size_bytes / 1e9:.2f} GB"


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `8 min 41 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest and minutes < 20 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
