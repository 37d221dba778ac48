"""Stage: write the INT8 model of a calibrated graph, chosen nodes kept in float, with its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx

from app import __version__
from app.engine.calibration.observers import load_statistics
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import Fitted, assemble, load_layers
from app.engine.quantize.default import grids_of
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.stages.context import Progress, StageContext


@dataclass(frozen=True)
class Spec:
    prepared: Path
    statistics: Path
    layers: Path
    preprocessing: Preprocessing
    settings: QuantizationSettings
    model_sha256: str
    samples: tuple[int, ...]
    keep_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    size_bytes: int
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    prepared = onnx.load(spec.prepared)
    grids = grids_of(prepared, load_statistics(spec.statistics), spec.settings, spec.preprocessing)
    placement = place(prepared, ONNXRUNTIME, spec.keep_float)
    model = assemble(prepared, placement, Fitted(grids, load_layers(spec.layers)))
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
    words = f"{len(placement.quantized)} nodes in INT8" + (f", {kept} put back to float" if kept else "")
    context.report(Progress(1, 1, words))
    return Result(recipe, target.stat().st_size)
