"""The widening histogram: any split, any order, the same counts as seeing everything at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.engine.calibration.histogram import BINS, Histogram

finite = st.floats(-1e6, 1e6, width=32)
arrays = hnp.arrays(np.float32, st.integers(1, 40), elements=finite)


@given(st.lists(arrays, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_merging_in_any_order_equals_one_histogram_of_everything(parts, random):
    whole = Histogram.of(np.concatenate(parts))
    shuffled = list(parts)
    random.shuffle(shuffled)
    merged = Histogram.of(shuffled[0])
    for part in shuffled[1:]:
        merged = merged.merged(Histogram.of(part))
    assert merged.exponent == whole.exponent
    np.testing.assert_array_equal(merged.counts, whole.counts)


@given(arrays)
def test_every_value_is_counted_in_the_bin_around_it(values):
    histogram = Histogram.of(values)
    assert histogram.counts.sum() == values.size
    width = 2 * histogram.half_width / BINS
    for value in values:
        nearest = np.argmin(np.abs(histogram.centres - np.float64(value)))
        assert abs(histogram.centres[nearest] - np.float64(value)) <= width / 2
        assert histogram.counts[max(0, nearest - 1) : nearest + 2].sum() > 0


def test_zeros_and_nothing_have_a_histogram():
    assert Histogram.of(np.zeros(5, np.float32)).counts.sum() == 5
    assert Histogram.of(np.zeros(0, np.float32)).counts.sum() == 0
