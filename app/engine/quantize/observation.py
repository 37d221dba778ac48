"""Which samples and values are observed, and the grids that follow from the statistics alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from app.engine.calibration.statistics import TensorStatistics
from app.engine.graph.rewrites import pixel_grid
from app.engine.numerics.affine import QParams
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.grids import estimate_ranges, grids_on, signed_values
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.preparation import pixel_scale
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.tensors import TensorPlan, plan_tensors

LEAST_ERROR, ALL_SEEN = "mse", "minmax"
"""Estimators that `auto` chooses from; the second is safe for the few samples of which none can be held out."""


def choose_samples(available: int, settings: QuantizationSettings) -> tuple[int, ...]:
    """Calibration sample numbers, in the order they are seen: a seeded draw without replacement, at most all there are."""
    order = np.random.default_rng(settings.seed).permutation(available)
    return tuple(int(number) for number in order[: settings.subset_size])


def observed_tensors(prepared: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the values that get a grid when everything that can be is quantized."""
    return plan_tensors(prepared, place(prepared, ONNXRUNTIME)).gridded


def plan_everything(prepared: onnx.ModelProto, statistics: Mapping[str, TensorStatistics]) -> TensorPlan:
    """Grids, sharing and folding when everything that can be is quantized."""
    seen = {name: (some.minimum, some.maximum) for name, some in statistics.items()}
    return plan_tensors(prepared, place(prepared, ONNXRUNTIME), signed_values(statistics), ranges=seen)


def grids_of(
    prepared: onnx.ModelProto,
    statistics: Mapping[str, TensorStatistics],
    settings: QuantizationSettings,
    preprocessing: Preprocessing | None = None,
) -> dict[str, QParams]:
    """The grid of every such value by one estimator; that of the input holds 8-bit pixels exactly where that is possible."""
    plan = plan_everything(prepared, statistics)
    estimator = settings.range_estimator
    if estimator == "auto":
        estimator = LEAST_ERROR if has_histograms(statistics) else ALL_SEEN
    ranges = estimate_ranges(statistics, plan, estimator)
    return {**grids_on(ranges, plan, settings), **exact_pixels(prepared, plan, preprocessing)}


def exact_pixels(prepared: onnx.ModelProto, plan: TensorPlan, preprocessing: Preprocessing | None) -> dict[str, QParams]:
    """The grid on which the first layers' input holds 8-bit pixels without error; none where it shares its grid."""
    pixels = pixel_scale(preprocessing) if preprocessing else None
    exact = pixel_grid(prepared, pixels) if pixels else None
    if exact is None or exact.value not in plan.gridded:
        return {}
    group = plan.shared[exact.value]
    if sum(other == group for other in plan.shared.values()) > 1:
        return {}
    return {exact.value: QParams(np.asarray(exact.scale, np.float32), np.asarray(exact.zero_point, np.uint8))}


def has_histograms(statistics: Mapping[str, TensorStatistics]) -> bool:
    return all(some.histogram is not None for some in statistics.values())
