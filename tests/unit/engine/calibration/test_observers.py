"""Statistics: exact extremes, merging, storage, refusal of non-finite values."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.calibration.observers import load_statistics, observe, save_statistics
from app.errors import WorkbenchError


def test_extremes_and_averages_of_single_samples():
    batch = np.array([[1.0, -3.0], [5.0, 2.0]], np.float32)
    seen = observe("x", batch, histogram=False)
    assert (seen.minimum, seen.maximum, seen.samples) == (-3.0, 5.0, 2)
    assert (seen.sum_minimum, seen.sum_maximum) == (-1.0, 6.0)


def test_two_shards_merged_equal_one_pass_and_survive_the_file(tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)
    merged = observe("x", values[:3], histogram=True).merged(observe("x", values[3:], histogram=True))
    whole = observe("x", values, histogram=True)
    save_statistics(tmp_path / "s.npz", {"a": merged, "b": whole})
    loaded = load_statistics(tmp_path / "s.npz")
    assert list(loaded) == ["a", "b"]
    assert (loaded["a"].minimum, loaded["a"].maximum, loaded["a"].samples) == (whole.minimum, whole.maximum, 7)
    np.testing.assert_array_equal(loaded["a"].histogram.counts, whole.histogram.counts)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_activations_are_refused_by_name(bad):
    batch = np.zeros((1, 4), np.float32)
    batch[0, 2] = bad
    with pytest.raises(WorkbenchError) as refused:
        observe("conv1_out", batch, histogram=True)
    assert refused.value.code == "calibration.not_finite"
    assert refused.value.where == "conv1_out"
