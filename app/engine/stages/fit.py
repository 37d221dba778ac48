"""Stage: weights and biases as integers, made on some calibration samples and chosen on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from app.engine.calibration.observers import load_statistics
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import save_layers
from app.engine.quantize.default import grids_of
from app.engine.quantize.fitting import FITTING_SAMPLES, HELD_OUT_SAMPLES, Candidate, fit_layers
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
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
    layers_file: str = "layers.npz"


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

    fit = fit_layers(
        get_runtime("onnxruntime"),
        prepared,
        place(prepared, ONNXRUNTIME),
        grids_of(prepared, load_statistics(spec.statistics), spec.settings, spec.preprocessing),
        samples,
        seed=spec.settings.seed,
        threads=context.threads,
        on_progress=on_progress,
    )
    result = Result(fit.candidates, fit.chosen)
    save_layers(context.folder / result.layers_file, fit.layers)
    judged = ", ".join(
        f"{c.name} {c.sqnr_db:.1f} dB" if c.sqnr_db is not None else f"{c.name}: {c.reason}" for c in fit.candidates
    )
    context.report(Progress(1, 1, f"taken: {fit.chosen} (on held-out samples: {judged})"))
    return result
