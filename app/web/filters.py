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

Sentences are written by `app.services.wording`; what both need is taken from there. None is an en dash. A spread is the longer
side of the 95 % interval: intervals of counts lean, and "±" must not promise more than was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from app.engine.graph.description import Dimension
from app.engine.numerics.intervals import Interval
from app.services import wording
from app.services.wording import half_width

NONE = "–"


def fps(value: float | None) -> str:
    return _significant(value, 3)


def ms(value: float | None) -> str:
    if value is None or value >= 1 or value == 0:
        return NONE if value is None else f"{value:,.1f}"
    return _significant(value, 2)


def size(size_bytes: float | None) -> str:
    return NONE if size_bytes is None else wording.size(size_bytes)


def size_limit(size_bytes: int) -> str:
    """A configured limit as it was configured: `2 GiB`."""
    gib, rest = divmod(size_bytes, 2**30)
    return wording.size(size_bytes) if rest else f"{gib} GiB"


def percent(fraction: float | None) -> str:
    return NONE if fraction is None else wording.percent(fraction)


def points(value: float | None) -> str:
    """A change in points, with its sign."""
    return NONE if value is None else wording.signed(value)


def points_value(value: float | None) -> str:
    """A limit or a width in points, without a sign."""
    return NONE if value is None else f"{value:.1f}"


def change(lost: Interval | None) -> str:
    """Points lost, written as the change they are: 1.8 lost is −1.8."""
    return NONE if lost is None else wording.change(lost)


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
    return NONE if seconds is None else wording.duration(seconds)


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
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{utc.day} {utc:%b}, {utc:%H:%M}"
    )


def shape(dimensions: Sequence[Dimension]) -> str:
    """`batch × 3 × 224 × 224`; an unnamed dynamic size is a question mark."""
    return (
        " × ".join("?" if size is None else f"{size:,}" if isinstance(size, int) else size for size in dimensions) or "scalar"
    )


def _significant(value: float | None, digits: int) -> str:
    if value is None:
        return NONE
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - magnitude)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


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
        fps, ms, size, size_limit, percent, points, points_value, change, spread, times, times_spread, count, large, plural,
        duration, left, left_range, clock, when, shape,
    )
}  # fmt: skip
