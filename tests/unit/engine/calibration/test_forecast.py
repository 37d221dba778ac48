"""The forecast: grows with what costs memory, is refused when it does not fit, and says how runs share the cores."""

from __future__ import annotations

import pytest

from app.engine.calibration import forecast as module
from app.engine.calibration.collector import collect_statistics
from app.engine.calibration.forecast import available_memory, forecast, require_memory
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError
from tests.support.model_builder import tiny_classifier
from tests.unit.engine.calibration.test_collector import images

TENSORS = ("image", "conv1_out", "add_out")


def test_values_of_a_run_are_counted_at_their_peak():
    needed = forecast(tiny_classifier(), TENSORS, (1, 3, 32, 32))
    one = 4 * 8 * 32 * 32  # conv1_out
    assert needed.run_bytes == 3 * 2 * one  # with relu1_out, three copies
    assert forecast(tiny_classifier(), TENSORS, (4, 3, 32, 32)).run_bytes == 4 * needed.run_bytes


def test_weights_and_values_count():
    small, wide = (forecast(tiny_classifier(width=width), TENSORS, (1, 3, 32, 32)).bytes for width in (8, 64))
    assert wide > small


def test_large_values_run_one_after_the_other_with_more_threads():
    model = tiny_classifier(height=None, image_width=None, width=32)
    small, large = (forecast(model, TENSORS, (1, 3, side, side), threads=4) for side in (64, 1024))
    assert (small.runs, small.threads_per_run) == (4, 1)
    assert large.runs < 4
    assert large.runs * large.threads_per_run <= 4


def test_more_than_is_free_is_refused_with_both_amounts():
    needed = forecast(tiny_classifier(), TENSORS, (1, 3, 32, 32))
    require_memory(needed, needed.bytes)
    with pytest.raises(WorkbenchError, match="GiB are free") as refused:
        require_memory(needed, needed.bytes - 1)
    assert refused.value.code == "calibration.memory"


def test_a_refusal_comes_before_the_first_sample():
    seen = []

    def refuse(needed):
        require_memory(needed, 0)

    with pytest.raises(WorkbenchError, match="Calibration needs"):
        collect_statistics(
            get_runtime("onnxruntime"),
            tiny_classifier(),
            TENSORS,
            images(2),
            histogram=False,
            threads=1,
            on_batch=seen.append,
            on_forecast=refuse,
        )
    assert seen == []


def test_free_memory_is_that_of_this_machine():
    assert 2**26 < available_memory() < 2**44


def test_heavy_weights_are_held_by_one_session(monkeypatch):
    monkeypatch.setattr(module, "TWO_SESSIONS_BYTES", 100)
    assert forecast(tiny_classifier(), TENSORS, (1, 3, 32, 32)).sessions == 1
    one = collect_statistics(
        get_runtime("onnxruntime"), tiny_classifier(), TENSORS, images(70), histogram=False, threads=1, on_batch=lambda _: None
    )
    assert one["conv1_out"].samples == 70
