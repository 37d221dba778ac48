"""Stage: write the INT8 model of a calibrated graph, chosen nodes kept in float, with its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import onnx

from app import __version__
from app.engine.quantize.assembly import assemble, load_fitted
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings, Recipe
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


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    size_bytes: int
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    graph = onnx.load(spec.graph)
    placement = place(graph, ONNXRUNTIME, spec.keep_float)
    model = assemble(graph, placement, load_fitted(spec.fitted))
    target = context.folder / "model.onnx"
    target.write_bytes(model.SerializeToString(deterministic=True))
    recipe = Recipe(
        product_version=__version__,
        settings=spec.settings,
        model_sha256=spec.model_sha256,
        calibration_samples=spec.samples,
        quantized_nodes=placement.quantized,
        kept_in_float=placement.kept_in_float,
        versions={package: version(package) for package in ("onnx", "onnxruntime", "numpy")},
    )
    kept = len(spec.keep_float)
    words = f"{len(placement.quantized)} nodes in INT8" + (f", {kept} kept in float" if kept else "")
    context.report(Progress(1, 1, words))
    return Result(recipe, target.stat().st_size)
