"""Stage: write the dynamic INT8 model, with its recipe. Samples are optional: they choose migration and rounding."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

from app import __version__
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.dynamic_default import DynamicFit, fit_dynamic
from app.engine.quantize.dynamic_verification import verify_dynamic
from app.engine.quantize.exclusions import kept_by_request
from app.engine.quantize.fitting import FITTING_SAMPLES, HELD_OUT_SAMPLES, Candidate
from app.engine.quantize.layers import find_layers
from app.engine.quantize.observation import choose_samples
from app.engine.quantize.portability import Portability, assess
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.recipe import KernelReport, QuantizationSettings, Recipe
from app.engine.records import to_json
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.feeding import batches
from app.engine.stages.pixel_file import PixelFile
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Spec:
    model: Path
    settings: QuantizationSettings
    model_sha256: str
    pixels: Path | None = None
    preprocessing: Preprocessing | None = None


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    candidates: tuple[Candidate, ...]
    chosen: str
    size_bytes: int
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: `quantize.nothing_to_quantize`, `settings.keep_float`, those of `prepare` and `fit_dynamic`.
    """
    prepared = prepare_graph(spec.model, context.folder / "prepared.onnx")
    numbers, samples = _samples(spec, prepared)
    runtime = get_runtime("onnxruntime")
    fit = fit_dynamic(
        runtime,
        prepared,
        samples,
        spec.settings,
        kept_by_request(prepared.graph, spec.settings.keep_float),
        threads=context.threads,
        on_candidate=lambda name: context.report(Progress(0, 1, f"weights: {name}")),
    )
    if not fit.result.quantized:
        raise WorkbenchError(
            "quantize.nothing_to_quantize",
            "Dynamic INT8 is for MatMul, Gemm and LSTM layers with constant weights, and this model has none worth it.",
            hint="Static INT8 quantizes convolutions as well.",
        )
    target = context.folder / "model.onnx"
    target.write_bytes(fit.result.model.SerializeToString(deterministic=True))
    kernels = verify_dynamic(fit.graph, fit.result, context.folder)
    layers = find_layers(fit.graph.graph, frozenset(fit.result.quantized))
    portability = assess(runtime, fit.graph, layers, fit.result.rows_q, {}, (), threads=context.threads)
    context.report(Progress(1, 1, _in_words(fit, kernels)))
    return Result(_recipe(spec, numbers, fit, kernels, portability), fit.candidates, fit.chosen, target.stat().st_size)


def _samples(spec: Spec, prepared: onnx.ModelProto) -> tuple[tuple[int, ...], list[np.ndarray]]:
    if spec.pixels is None or spec.preprocessing is None:
        return (), []
    with PixelFile(spec.pixels) as pixels:
        numbers = choose_samples(len(pixels), spec.settings)[: FITTING_SAMPLES + HELD_OUT_SAMPLES]
        return numbers, list(batches(pixels, numbers, spec.preprocessing, prepared))


def _recipe(spec: Spec, numbers: tuple[int, ...], fit: DynamicFit, kernels: KernelReport, portability: Portability) -> Recipe:
    migrated = fit.migration.migrated if fit.migration is not None else ()
    return Recipe(
        product_version=__version__,
        settings=spec.settings,
        model_sha256=spec.model_sha256,
        calibration_samples=numbers,
        quantized_nodes=fit.result.quantized,
        kept_in_float=fit.result.kept_in_float,
        versions={package: version(package) for package in ("onnx", "onnxruntime", "numpy")},
        kernels=kernels,
        details={
            "weights": {"chosen": fit.chosen, "candidates": [to_json(candidate) for candidate in fit.candidates]},
            "migration": [to_json(group) for group in migrated],
            "portability": to_json(portability),
        },
    )


def _in_words(fit: DynamicFit, kernels: KernelReport) -> str:
    words = f"{len(fit.result.quantized)} layers in dynamic INT8; weights: {fit.chosen}"
    if kernels.integer_multiply_adds is not None:
        words += f"; {100 * kernels.integer_multiply_adds:.1f} % of multiply-adds on integers"
    return "; ".join((words, *kernels.surprises))
