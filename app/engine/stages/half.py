"""Stage: write the model with its weights stored as float16, with its recipe. No samples are needed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx

from app import __version__
from app.engine.quantize.half import store_as_half
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.stages.context import Progress, StageContext


@dataclass(frozen=True)
class Spec:
    model: Path
    settings: QuantizationSettings
    model_sha256: str


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    size_bytes: int
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: `quantize.nothing_to_halve`.
    """
    half = store_as_half(onnx.load(spec.model))
    target = context.folder / "model.onnx"
    target.write_bytes(half.model.SerializeToString(deterministic=True))
    recipe = Recipe(
        product_version=__version__,
        settings=spec.settings,
        model_sha256=spec.model_sha256,
        calibration_samples=(),
        quantized_nodes=(),
        kept_in_float={},
        versions={package: version(package) for package in ("onnx", "numpy")},
        details={"half": {"constants": list(half.halved), "kept": half.kept}},
    )
    size, before = target.stat().st_size, spec.model.stat().st_size
    words = f"{len(half.halved)} constants stored as FP16: {size / 2**20:.1f} MiB instead of {before / 2**20:.1f}"
    context.report(Progress(1, 1, "; ".join((words, *(f"{name} {reason}" for name, reason in half.kept.items())))))
    return Result(recipe, size)
