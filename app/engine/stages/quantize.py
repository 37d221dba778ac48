"""Stage: write the INT8 model of a calibrated graph, chosen nodes kept in float, with its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import onnx

from app import __version__
from app.engine.quantize.assembly import load_fitted
from app.engine.quantize.placement import ONNXRUNTIME
from app.engine.quantize.recipe import KernelReport, QuantizationSettings, Recipe
from app.engine.quantize.speed.layouts import apply_layouts
from app.engine.quantize.verification import assemble_verified, verify
from app.engine.stages.context import Progress, StageContext


@dataclass(frozen=True)
class Spec:
    graph: Path
    """Float graph that the integers belong to, as `fit` wrote it."""
    fitted: Path
    settings: QuantizationSettings
    model_sha256: str
    samples: tuple[int, ...]
    keep_float: dict[str, str] = field(default_factory=dict)
    """Node name -> why it stays in float."""
    layouts: tuple[str, ...] = ()
    """For `apply_layouts`: exact forms of the file that are faster on the device."""


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    size_bytes: int
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    graph = onnx.load(spec.graph)
    verified = assemble_verified(graph, ONNXRUNTIME, spec.keep_float, load_fitted(spec.fitted), context.folder)
    target = context.folder / "model.onnx"
    model = apply_layouts(verified.model, spec.layouts)
    target.write_bytes(model.SerializeToString(deterministic=True))
    kernels = verify(graph, verified.placement, model, context.folder) if spec.layouts else verified.report
    recipe = Recipe(
        product_version=__version__,
        settings=spec.settings,
        model_sha256=spec.model_sha256,
        calibration_samples=spec.samples,
        quantized_nodes=verified.placement.quantized,
        kept_in_float=verified.placement.kept_in_float,
        versions={package: version(package) for package in ("onnx", "onnxruntime", "numpy")},
        kernels=kernels,
    )
    context.report(Progress(1, 1, _in_words(kernels, len(verified.placement.quantized), len(spec.keep_float))))
    return Result(recipe, target.stat().st_size)


def _in_words(report: KernelReport, quantized: int, kept: int) -> str:
    words = f"{quantized} nodes in INT8" + (f", {kept} kept in float" if kept else "")
    words += f"; onnxruntime runs {report.integer_kernels} layers on integers, {report.float_kernels} in float"
    if report.integer_multiply_adds is not None:
        words += f" ({100 * report.integer_multiply_adds:.1f} % of multiply-adds on integers)"
    return "; ".join((words, *report.surprises))
