"""One 8-bit grid per sharing group: wide enough for all its members, within what a folded activation lets through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.calibration.statistics import TensorStatistics
from app.engine.numerics.affine import fake_quantize
from app.engine.quantize.grids import estimate_ranges, grids_on, signed_values
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.tensors import TensorPlan

AUTO, SYMMETRIC = QuantizationSettings(), QuantizationSettings(activations="symmetric")
FLOATS = st.floats(-50, 50, width=32)


def seen(low: float, high: float) -> TensorStatistics:
    return TensorStatistics(low, high, low, high, 1, None)


def plan(shared: dict[str, str], clip: dict[str, tuple[float, float]] | None = None) -> TensorPlan:
    return TensorPlan(tuple(shared), shared, {}, clip or {})


def test_a_group_has_the_range_of_all_its_members():
    statistics = {"a": seen(-1, 2), "b": seen(-3, 1), "c": seen(0, 9)}
    assert estimate_ranges(statistics, plan({"a": "a", "b": "a", "c": "c"}), "minmax") == {"a": (-3, 2), "c": (0, 9)}


def test_limits_of_a_folded_activation_cut_the_range():
    """What Relu6 reads reaches from -5 to 40; what it lets through fits 0..6."""
    statistics = {"r": seen(-5, 40), "s": seen(-5, 40)}
    ranges = estimate_ranges(statistics, plan({"r": "r", "s": "s"}, {"r": (0.0, 6.0), "s": (0.0, np.inf)}), "minmax")
    assert ranges == {"r": (0, 6), "s": (0, 40)}


@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(FLOATS, FLOATS).map(sorted), min_size=1))
def test_ranges_hold_zero_and_everything_that_was_seen(ends):
    statistics = {name: seen(*pair) for name, pair in ends.items()}
    shared = {name: next(iter(ends)) if name in "ab" and next(iter(ends)) in "ab" else name for name in ends}
    ranges = estimate_ranges(statistics, plan(shared), "minmax")
    for name, (low, high) in ends.items():
        least, most = ranges[shared[name]]
        assert least <= min(0, low)
        assert most >= max(0, high)


@pytest.mark.parametrize(
    ("ends", "settings", "zero_point", "scale"),
    [
        ((0.0, 5.1), AUTO, 0, 5.1 / 255),
        ((0.0, 5.1), SYMMETRIC, 0, 5.1 / 255),
        ((-1.0, 4.1), AUTO, 50, 5.1 / 255),
        ((-1.0, 4.1), SYMMETRIC, 128, 4.1 / 127),
    ],
)
def test_signed_values_have_their_own_zero_point_unless_symmetric_is_asked_for(ends, settings, zero_point, scale):
    (grid,) = grids_on({"a": ends}, plan({"a": "a"}), settings).values()
    assert grid.zero_point.dtype == np.uint8
    assert int(grid.zero_point) == zero_point
    assert float(grid.scale) == pytest.approx(scale)


@given(low=st.floats(-20, 0, width=32), high=st.floats(0.5, 20, width=32))
def test_asymmetric_grids_are_at_most_as_coarse_as_symmetric_ones(low, high):
    one = plan({"a": "a"})
    own, symmetric = (grids_on({"a": (low, high)}, one, settings)["a"] for settings in (AUTO, SYMMETRIC))
    assert float(own.scale) <= float(symmetric.scale) * (127 / 127.5 + 1e-6) or low == 0
    x = np.linspace(low, high, 500, dtype=np.float32)
    assert np.abs(fake_quantize(x, own) - x).max() <= 1.01 * float(own.scale)


def test_every_member_of_a_group_has_the_same_grid():
    grids = grids_on({"a": (-1, 2), "c": (0, 9)}, plan({"a": "a", "b": "a", "c": "c"}), AUTO)
    assert grids["a"] is grids["b"]
    assert float(grids["c"].scale) != float(grids["a"].scale)


def test_signed_are_values_that_went_below_zero():
    assert signed_values({"a": seen(-0.1, 1), "b": seen(0, 1)}) == {"a"}
