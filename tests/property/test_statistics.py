"""Statistics of shards, merged in any order, are those of the whole; they survive the file; their size is fixed."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.calibration.extremes import EXTREMES_SAMPLES
from app.engine.calibration.observers import load_statistics, observe, save_statistics
from app.engine.calibration.reservoir import KEPT_SAMPLES, RESERVOIR_VALUES
from app.engine.calibration.selection import is_kept, keep_smallest_ranks, spread_positions

SUMS = ("total", "sum_minimum", "sum_maximum", "squares")
few = settings(max_examples=20, deadline=None)


def assert_same(ours, theirs):
    assert (ours.minimum, ours.maximum, ours.samples) == (theirs.minimum, theirs.maximum, theirs.samples)
    for part in ("histogram", "channels", "reservoir", "extremes"):
        one, other = getattr(ours, part), getattr(theirs, part)
        assert (one is None) == (other is None)
        for field in fields(one) if one is not None else ():
            values = getattr(one, field.name), getattr(other, field.name)
            if part == "channels" and field.name in SUMS:  # float64, in another order
                np.testing.assert_allclose(*values, rtol=1e-12, atol=1e-9)
            else:
                np.testing.assert_array_equal(*values)


@few
@given(
    st.integers(1, 150), st.sampled_from([(), (3,), (5, 7), (2000, 2)]), st.lists(st.integers(0, 150), max_size=4), st.randoms()
)
def test_any_split_in_any_order(total, shape, cuts, random):
    values = np.random.default_rng(total).standard_t(3, size=(total, *shape)).astype(np.float32)
    edges = sorted({0, total, *(cut for cut in cuts if cut < total)})
    shards = list(pairwise(edges))
    random.shuffle(shards)
    parts = [observe("x", values[a:b], histogram=True, first=a, total=total) for a, b in shards]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merged(part)
    assert_same(merged, observe("x", values, histogram=True))


@few
@given(st.integers(1, 20), st.booleans(), st.booleans())
def test_the_file_keeps_everything(samples, histogram, scalar):
    shape = (samples, 1) if scalar else (samples, 4, 6)
    values = np.random.default_rng(samples).normal(size=shape).astype(np.float32)
    seen = {"a/b": observe("a/b", values, histogram=histogram), "ü": observe("ü", -values, histogram=True)}
    with tempfile.TemporaryDirectory() as folder:
        save_statistics(Path(folder) / "s.npz", seen)
        loaded = load_statistics(Path(folder) / "s.npz")
    assert list(loaded) == list(seen)
    for name, before in seen.items():
        assert_same(loaded[name], before)
        assert loaded[name].sum_minimum == before.sum_minimum


@few
@given(st.integers(1, 400), st.integers(1, 80))
def test_thinning_twice_is_thinning_once(total, limit):
    kept = keep_smallest_ranks(np.arange(total), limit)
    assert len(kept) == min(total, limit)
    assert [number for number in range(total) if is_kept(number, total, limit)] == kept.tolist()
    prefix = keep_smallest_ranks(np.arange(total + 100), limit)
    assert set(prefix[prefix < total]) <= set(kept)


@few
@given(st.integers(64, 5000))
def test_kept_samples_are_spread_over_all(total):
    kept = keep_smallest_ranks(np.arange(total), KEPT_SAMPLES)
    gaps = np.diff(np.append(kept, total + kept[0]))
    assert gaps.max() <= 4 * total / KEPT_SAMPLES


@few
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 10_000))
def test_positions_lie_inside_and_are_even(size, count, number):
    positions = spread_positions(size, count, number)
    assert len(positions) == min(size, count)
    assert positions.min() >= 0
    assert positions.max() < size
    quarters = np.bincount(4 * positions // size, minlength=4)
    assert quarters.max() - quarters.min() <= 3 + len(positions) // 20


def test_positions_are_not_in_step_with_the_rows_of_an_image():
    side = 112
    columns = spread_positions(side * side, side, 0) % side
    assert np.bincount(columns * 4 // side, minlength=4).min() > side / 8


def test_size_does_not_grow_with_the_samples():
    rng = np.random.default_rng(0)
    small, large = (observe("x", rng.normal(size=(n, 4, 300)).astype(np.float32), histogram=True) for n in (1024, 4096))
    assert len(small.reservoir.values) == len(large.reservoir.values) <= RESERVOIR_VALUES
    assert len(small.extremes.minima) == len(large.extremes.minima) == EXTREMES_SAMPLES


def test_reservoir_is_like_the_values_channel_by_channel():
    scales = np.array([1, 10, 100], np.float32).reshape(1, 3, 1)
    values = np.random.default_rng(1).normal(size=(64, 3, 4000)).astype(np.float32) * scales
    reservoir = observe("x", values, histogram=False).reservoir
    for channel in range(3):
        spread = reservoir.values[reservoir.channels == channel].std()
        assert abs(spread / scales[0, channel, 0] - 1) < 0.05
