"""How numbers and times are written on the pages. Pure functions, registered as Jinja filters under their own names.

| quantity | filter | written |
| --- | --- | --- |
| throughput, FPS | `fps` | three digits: 318, 57.3, 1,240 |
| latency, ms | `ms` | one decimal: 6.9; two digits below 1: 0.42 |
| size, bytes | `size` | 14.0 MB, 312 kB, 6.30 GB (decimal units) |
| fraction | `percent` | 86.2 % |
| points lost | `change` | as a change with sign: −1.8 ± 1.5 |
| ratio | `times`, `times_spread` | 1.80×, 0.03 |
| number | `count`, `large` | 5,000; 3.49 million |
| seconds | `duration`, `left`, `left_range` | 8 min 41 s; about 6 min left; 4 to 9 min |
| time | `when`, `clock` | 24 Nov, 14:32 (UTC; shell.js makes it local); 14:24:51 |

A spread is the longer side of the 95 % interval: intervals of counts lean, and "±" must not promise more than was measured.
The minus is U+2212, as wide as the plus; None is an en dash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from app.engine.graph.description import Dimension
from app.engine.numerics.intervals import Interval

NONE = "–"
MINUS = "−"


def fps(value: float | None) -> str:
    return _significant(value, 3)


def ms(value: float | None) -> str:
    if value is None or value >= 1 or value == 0:
        return NONE if value is None else f"{value:,.1f}"
    return _significant(value, 2)


def size(size_bytes: float | None) -> str:
    """Decimal units, as file managers and disks count."""
    if size_bytes is None:
        return NONE
    if size_bytes < 1e3:
        return "1 byte" if size_bytes == 1 else f"{size_bytes:.0f} bytes"
    if size_bytes < 999_500:
        return f"{size_bytes / 1e3:.0f} kB"
    if size_bytes < 999.95e6:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{size_bytes / 1e9:.2f} GB"


def percent(fraction: float | None) -> str:
    return NONE if fraction is None else f"{100 * fraction:.1f} %"


def points(value: float | None) -> str:
    """A change in points, with its sign."""
    return NONE if value is None else _signed(value, 1)


def points_value(value: float | None) -> str:
    """A limit or a width in points, without a sign."""
    return NONE if value is None else f"{value:.1f}"


def change(lost: Interval | None) -> str:
    """Points lost, written as the change they are: 1.8 lost is −1.8."""
    return NONE if lost is None else f"{_signed(-lost.value, 1)} ± {half_width(lost):.1f}"


def half_width(interval: Interval) -> float:
    return max(interval.high - interval.value, interval.value - interval.low)


def spread(interval: Interval | None, decimals: int = 1) -> str:
    return NONE if interval is None else f"{half_width(interval):.{decimals}f}"


def times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}×"


def times_spread(interval: Interval | None) -> str:
    return spread(interval, 2)


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def large(value: float | None) -> str:
    """Three digits with the unit in words: parameters, multiply-adds."""
    if value is None:
        return NONE
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if value >= unit / 10:
            return f"{value / unit:.2f} {name}"
    return f"{value:,.0f}"


def plural(value: int, one: str, many: str = "") -> str:
    """`500 images`, `1 image`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """At most two units, seconds only below an hour."""
    if seconds is None:
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest and minutes < 20 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def left(estimate: tuple[float, float] | None) -> str:
    """One estimate from its lower and upper bound: `about 6 min left`."""
    if estimate is None:
        return ""
    middle = (estimate[0] + estimate[1]) / 2
    return f"about {_rough(middle)} left"


def left_range(estimate: tuple[float, float] | None) -> str:
    """`4 to 9 min`; empty when the bounds read the same."""
    if estimate is None:
        return ""
    low, high = estimate
    if high < 90:
        first, last, unit = _to_five(low), _to_five(high), "s"
    else:
        first, last, unit = math.floor(low / 60), math.ceil(high / 60), "min"
    return "" if first == last else f"{first} to {last} {unit}"


def clock(at: datetime | None) -> str:
    return NONE if at is None else at.astimezone(UTC).strftime("%H:%M:%S")


def when(at: datetime | None) -> str | Markup:
    """UTC for readers without JavaScript; `static/js/shell.js` rewrites it in the browser's own zone."""
    if at is None:
        return NONE
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{utc.day} {utc:%b}, {utc:%H:%M}")


def shape(dimensions: Sequence[Dimension]) -> str:
    """`batch × 3 × 224 × 224`; an unnamed dynamic size is a question mark."""
    return " × ".join("?" if size is None else f"{size:,}" if isinstance(size, int) else size for size in dimensions) or "scalar"


def _significant(value: float | None, digits: int) -> str:
    if value is None:
        return NONE
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - magnitude)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    if rounded == 0:
        return f"{0:.{decimals}f}"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.{decimals}f}"


def _rough(seconds: float) -> str:
    if seconds < 55:
        return f"{max(5, _to_five(seconds))} s"
    if seconds < 95 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h"


def _to_five(seconds: float) -> int:
    return 5 * round(seconds / 5)


FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        fps, ms, size, percent, points, points_value, change, spread, times, times_spread, count, large, plural,
        duration, left, left_range, clock, when, shape,
    )
}  # fmt: skip
