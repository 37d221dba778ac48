"""INT8 Default as one reads it: place, observe, estimate grids, fit integers, assemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.calibration.observers import TensorStatistics
from app.engine.numerics.affine import QParams
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import Fitted
from app.engine.quantize.fitting import Candidate, fit_layers
from app.engine.quantize.grids import estimate_grids, signed_values
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import NoiseShare, QuantizationSettings
from app.engine.quantize.tensors import plan_tensors
from app.engine.runtimes.base import Runtime


@dataclass(frozen=True)
class DefaultFit:
    graph: onnx.ModelProto
    """The float graph that the integers belong to: the prepared one, its channels aligned where that won."""
    fitted: Fitted
    keep_float: dict[str, str]
    """Node name -> why it stays in float, whatever the speed."""
    noise: tuple[NoiseShare, ...]
    candidates: tuple[Candidate, ...]
    chosen: str
    """Name of the candidate taken."""


def fit_default(
    runtime: Runtime,
    prepared: onnx.ModelProto,
    statistics: Mapping[str, TensorStatistics],
    samples: Sequence[np.ndarray],
    settings: QuantizationSettings,
    *,
    preprocessing: Preprocessing | None = None,
    threads: int,
    on_progress: Callable[[str, int, int], None] = lambda _step, _done, _total: None,
) -> DefaultFit:
    """Grids and integers of a prepared graph.

    Args:
        samples: Input tensors, one batch of the model each, in calibration order; the first ones fit, others decide.
        on_progress: (step in words, done, total).
    """
    grids = grids_of(prepared, statistics, settings, preprocessing)
    placement = place(prepared, ONNXRUNTIME)
    fit = fit_layers(runtime, prepared, placement, grids, samples, seed=settings.seed, threads=threads, on_progress=on_progress)
    return DefaultFit(prepared, Fitted(grids, fit.layers), {}, (), fit.candidates, fit.chosen)


def choose_samples(available: int, settings: QuantizationSettings) -> tuple[int, ...]:
    """Calibration sample numbers, in the order they are seen: a seeded draw without replacement, at most all there are."""
    order = np.random.default_rng(settings.seed).permutation(available)
    return tuple(int(number) for number in order[: settings.subset_size])


def observed_tensors(prepared: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the values that get a grid when everything that can be is quantized."""
    return plan_tensors(prepared, place(prepared, ONNXRUNTIME)).gridded


def grids_of(
    prepared: onnx.ModelProto,
    statistics: Mapping[str, TensorStatistics],
    settings: QuantizationSettings,
    preprocessing: Preprocessing | None = None,
) -> dict[str, QParams]:
    """The grid of every such value; that of the input holds 8-bit pixels exactly where the preprocessing allows it."""
    plan = plan_tensors(prepared, place(prepared, ONNXRUNTIME), signed_values(statistics))
    grids = estimate_grids(statistics, plan, settings)
    image = prepared.graph.input[0].name
    exact = pixel_grid(preprocessing) if preprocessing else None
    alone = sum(group == plan.shared.get(image) for group in plan.shared.values()) == 1
    if exact is not None and image in grids and alone:
        grids[image] = exact
    return grids


def pixel_grid(preprocessing: Preprocessing) -> QParams | None:
    """The grid on which x = (p - m) / d is exact for p in 0..255: s = 1/d, z = m; None unless channels share an integer m."""
    means, divisors = set(preprocessing.mean), set(preprocessing.divide_by)
    if len(means) != 1 or len(divisors) != 1:
        return None
    (mean,), (divisor,) = means, divisors
    if mean != int(mean) or not 0 <= mean <= 255 or divisor <= 0:
        return None
    return QParams(np.asarray(1 / divisor, np.float32), np.asarray(int(mean), np.uint8))
