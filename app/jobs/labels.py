"""Labels of the stages, as people read them, and which ones a run goes through."""

from __future__ import annotations

from app.engine.quantize.recipe import QuantizationSettings

PREPARE, REFERENCE, GRID = "Prepare samples", "FP32 accuracy", "Throughput and latency"
CALIBRATE, FIT, TUNE, QUANTIZE = "Calibrate", "Round weights, correct biases", "Choose by speed", "Quantize"
COMPARE, RANK = "Compare with FP32", "Rank layers by harm"
PAIRED = "Measure against FP32"
SEARCH = "Put layers back to FP32"
TWIN = "fp32-rewritten"
"""In a paired result: FP32 with the same exact rewrites as the new file, so that INT8 is not praised for them."""


def optimize_labels(settings: QuantizationSettings) -> tuple[str, ...]:
    """The stages that `run_optimize` announces."""
    if settings.precision != "int8":
        return (PREPARE, REFERENCE, QUANTIZE, COMPARE, GRID, PAIRED)
    tune = (TUNE,) if is_tuned(settings) else ()
    search = (RANK, SEARCH) if settings.method == "accuracy-aware" else ()
    return (PREPARE, REFERENCE, CALIBRATE, FIT, *tune, QUANTIZE, COMPARE, *search, GRID, PAIRED)


def is_tuned(settings: QuantizationSettings) -> bool:
    """Whether files race on this device; the fast effort takes what usually wins."""
    return settings.speed_aware and settings.effort == "default"
