"""Stage: weights and biases as integers, made on some calibration samples and chosen on others."""

from __future__ import annotations

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
    keep_float: dict[str, str] = field(default_factory=dict)
    """Node name -> why it stays in float, whatever the speed."""
    noise: tuple[NoiseShare, ...] = ()
    graph_file: str = "graph.onnx"
    """The float graph that the integers belong to."""
    fitted_file: str = "fitted.npz"


def run(spec: Spec, context: StageContext) -> Result:
    prepared = onnx.load(spec.prepared)
    with PixelFile(spec.pixels) as pixels:
        numbers = spec.samples[: FITTING_SAMPLES + HELD_OUT_SAMPLES]
        samples = list(batches(pixels, numbers, spec.preprocessing, prepared))
    names: list[str] = []

    def on_progress(name: str, done: int, total: int) -> None:
        if name not in names:
            names.append(name)
        context.report(Progress((len(names) - 1) * total + done, 2 * total))

    fit = fit_default(
        get_runtime("onnxruntime"),
        prepared,
        load_statistics(spec.statistics),
        samples,
        spec.settings,
        preprocessing=spec.preprocessing,
        threads=context.threads,
        on_progress=on_progress,
    )
    result = Result(fit.candidates, fit.chosen, fit.keep_float, fit.noise)
    save_fitted(context.folder / result.fitted_file, fit.fitted)
    onnx.save(fit.graph, context.folder / result.graph_file)
    judged = ", ".join(
        f"{c.name} {c.sqnr_db:.1f} dB" if c.sqnr_db is not None else f"{c.name}: {c.reason}" for c in fit.candidates
    )
    context.report(Progress(1, 1, f"taken: {fit.chosen} (on held-out samples: {judged})"))
    return result
