"""Numbers as mock/GUIDE.md §4 wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.engine.numerics.intervals import Interval, drop_from_counts
from app.web import filters

CASES: list[tuple[str, Any, str]] = [
    ("fps", 318.4, "318"),
    ("fps", 57.34, "57.3"),
    ("fps", 6.123, "6.12"),
    ("fps", 999.6, "1,000"),
    ("fps", 1239.0, "1,240"),
    ("fps", 0, "0"),
    ("fps", None, "–"),
    ("ms", 6.94, "6.9"),
    ("ms", 12.0, "12.0"),
    ("ms", 1234.56, "1,234.6"),
    ("ms", 0.423, "0.42"),
    ("ms", None, "–"),
    ("size", 4_321_000, "4.3 MB"),
    ("size", 999, "999 bytes"),
    ("size", 1, "1 byte"),
    ("size", 312_400, "312 kB"),
    ("size", 6_300_000_000, "6.30 GB"),
    ("size", None, "–"),
    ("size_limit", 2 * 2**30, "2 GiB"),
    ("size_limit", 2_000_000_000, "2.00 GB"),
    ("percent", 0.862, "86.2 %"),
    ("percent", None, "–"),
    ("points", -1.84, "−1.8"),
    ("points", 0.04, "0.0"),
    ("points", -0.04, "0.0"),
    ("points", 0.4, "+0.4"),
    ("points_value", 0.8, "0.8"),
    ("times", 1.8, "1.80×"),
    ("times", None, "–"),
    ("times_spread", Interval(1.80, 1.77, 1.82), "0.03"),
    ("change", Interval(1.8, 0.3, 3.2), "−1.8 ± 1.5"),
    ("change", Interval(-1.8, -3.2, -0.4), "+1.8 ± 1.4"),
    ("change", Interval(0.0, -0.8, 0.8), "0.0 ± 0.8"),
    ("change", None, "–"),
    ("count", 5000, "5,000"),
    ("count", None, "–"),
    ("large", 3_490_000, "3.49 million"),
    ("large", 300_000_000, "0.30 billion"),
    ("large", 12_345, "12,345"),
    ("duration", 0.42, "0.4 s"),
    ("duration", 41, "41 s"),
    ("duration", 521, "8 min 41 s"),
    ("duration", 3600, "1 h"),
    ("duration", 7500, "2 h 5 min"),
    ("left", (240, 540), "about 6 min left"),
    ("left", (20, 40), "about 30 s left"),
    ("left", (0, 2), "about 5 s left"),
    ("left", None, ""),
    ("left_range", (240, 540), "4 to 9 min"),
    ("left_range", (20, 40), "20 to 40 s"),
    ("left_range", (30, 30), ""),
    ("left_range", None, ""),
    ("shape", ("batch", 3, 224, 224), "batch × 3 × 224 × 224"),
    ("shape", (None, 1000), "? × 1,000"),
    ("shape", (), "scalar"),
    ("clock", datetime(2026, 11, 23, 14, 24, 51, tzinfo=UTC), "14:24:51"),
]


@pytest.mark.parametrize(("name", "value", "written"), CASES)
def test_written_as_the_guide_says(name: str, value: Any, written: str) -> None:
    assert filters.FILTERS[name](value) == written


def test_time_is_utc_for_readers_and_exact_for_the_browser() -> None:
    at = datetime(2026, 11, 24, 15, 32, 5, tzinfo=timezone(timedelta(hours=1)))
    assert filters.when(at) == '<time datetime="2026-11-24T14:32:05Z">24 Nov, 14:32</time>'


def test_plural_counts_one_as_one() -> None:
    assert [filters.plural(n, "image") for n in (0, 1, 5000)] == ["0 images", "1 image", "5,000 images"]
    assert filters.plural(2, "file is", "files are") == "2 files are"


def test_spread_covers_the_longer_side_of_a_leaning_interval() -> None:
    drop = drop_from_counts(100, 4, 0).points
    assert drop.high - drop.value > drop.value - drop.low
    assert filters.spread(drop) == f"{drop.high - drop.value:.1f}"
