"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.intervals import Interval
from app.services import wording


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.signed(-1.8), "−1.8"),
        (wording.signed(0.4), "+0.4"),
        (wording.signed(-0.04), "0.0"),
        (wording.points(1.0), "1.0 point"),
        (wording.points(0.96), "1.0 point"),
        (wording.points(0.8), "0.8 points"),
        (wording.limit(1), "1.0 point"),
        (wording.limit(0.25), "0.25 points"),
        (wording.limit(0), "0.0 points"),
        (wording.limit(0.001), "0.001 points"),
        (wording.images(1), "1 image"),
        (wording.images(5000), "5,000 images"),
        (wording.percent(0.862), "86.2 %"),
        (wording.times(2.0), "2.0×"),
        (wording.times(1.04), "1.04×"),
        (wording.ratio(Interval(1.8, 1.77, 1.82)), "1.80× ± 0.03"),
        (wording.change(Interval(1.8, 0.3, 3.3)), "−1.8 ± 1.5"),
        (wording.change(Interval(-1.8, -3.2, -0.4)), "+1.8 ± 1.4"),
        (wording.fps(318.2), "318 FPS"),
        (wording.fps(57.3), "57.3 FPS"),
        (wording.fps(6.123), "6.12 FPS"),
        (wording.fps(1240.0), "1,240 FPS"),
        (wording.milliseconds(6.94), "6.9 ms"),
        (wording.milliseconds(0.421), "0.42 ms"),
        (wording.size(4_300_000), "4.3 MB"),
        (wording.size(1), "1 byte"),
        (wording.size(312_000), "312 kB"),
        (wording.size(6_300_000_000), "6.30 GB"),
        (wording.duration(0.4), "0.4 s"),
        (wording.duration(41), "41 s"),
        (wording.duration(521), "8 min 41 s"),
        (wording.duration(7500), "2 h 5 min"),
    ],
)
def test_numbers_read_like_this(said: str, expected: str) -> None:
    assert said == expected


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50))
def test_spread_covers_the_interval(value: float, below: float, above: float) -> None:
    interval = Interval(value, value - below, value + above)
    half = wording.half_width(interval)
    assert value - half <= interval.low
    assert value + half >= interval.high
