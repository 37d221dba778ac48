"""Stage: weights and biases as integers, made on some calibration samples and chosen on others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from app.engine.calibration.observers import load_statistics
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import save_fitted
from app.engine.quantize.default import fit_default
from app.engine.quantize.fitting import FITTING_SAMPLES, HELD_OUT_SAMPLES, Candidate
from app.engine.quantize.recipe import NoiseShare, QuantizationSettings
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.feeding import batches
from app.engine.stages.pixel_file import PixelFile

SAMPLES_BUDGET_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Spec:
    prepared: Path
    statistics: Path
    pixels: Path
    preprocessing: Preprocessing
    settings: QuantizationSettings
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Result:
    candidates: tuple[Candidate, ...]
    chosen: str
    sqnr_db: float | None
    """Of what was taken, on held-out samples."""
    keep_float: dict[str, str] = field(default_factory=dict)
    """Node name -> why it stays in float, whatever the speed."""
    noise: tuple[NoiseShare, ...] = ()
    graph_file: str = "graph.onnx"
    """The float graph that the integers belong to."""
    fitted_file: str = "fitted.npz"


def run(spec: Spec, context: StageContext) -> Result:
    prepared = onnx.load(spec.prepared)
    with PixelFile(spec.pixels) as pixels:
        samples = list(batches(pixels, spec.samples[: _affordable(prepared)], spec.preprocessing, prepared))
    fit = fit_default(
        get_runtime("onnxruntime"),
        prepared,
        load_statistics(spec.statistics),
        samples,
        spec.settings,
        preprocessing=spec.preprocessing,
        threads=context.threads,
        on_progress=lambda step, done, total: context.report(Progress(done, total, step if done == 1 else "")),
    )
    result = Result(fit.candidates, fit.chosen, fit.sqnr_db, fit.keep_float, fit.noise)
    save_fitted(context.folder / result.fitted_file, fit.fitted)
    onnx.save(fit.graph, context.folder / result.graph_file)
    judged = ", ".join(
        f"{c.name} {c.sqnr_db:.1f} dB" if c.sqnr_db is not None else f"{c.name}: {c.reason}" for c in fit.candidates
    )
    context.report(Progress(1, 1, f"taken: {fit.chosen} (on held-out samples: {judged})"))
    return result


def _affordable(prepared: onnx.ModelProto) -> int:
    """How many samples are kept in memory to fit and to decide."""
    sizes = [dim.dim_value or 1 for dim in prepared.graph.input[0].type.tensor_type.shape.dim]
    return max(4, min(FITTING_SAMPLES + HELD_OUT_SAMPLES, SAMPLES_BUDGET_BYTES // (4 * math.prod(sizes[1:]))))
