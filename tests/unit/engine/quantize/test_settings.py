"""Tolerances and subset sizes that mean nothing are refused with the field's name."""

from __future__ import annotations

import math

import pytest

from app.engine.quantize.recipe import QuantizationSettings
from app.errors import WorkbenchError


@pytest.mark.parametrize("max_drop", [-1, -1e-9, math.nan, math.inf, -math.inf, 1e308, 100.5])
def test_tolerance_outside_0_to_100_is_refused(max_drop):
    with pytest.raises(WorkbenchError) as refused:
        QuantizationSettings(max_drop=max_drop)
    assert (refused.value.code, refused.value.where) == ("settings.max_drop", "max_drop")


@pytest.mark.parametrize("max_drop", [0, 0.2, 1.0, 100])
def test_usual_tolerances_are_taken(max_drop):
    assert QuantizationSettings(max_drop=max_drop).max_drop == max_drop


def test_empty_calibration_subset_is_refused():
    with pytest.raises(WorkbenchError) as refused:
        QuantizationSettings(subset_size=0)
    assert refused.value.code == "settings.subset_size"
