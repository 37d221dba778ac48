"""Stage: rank the quantized groups by the noise each makes alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx

from app.engine.accuracy_aware.sensitivity import Sensitivity, rank_groups
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import load_fitted
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.feeding import batches
from app.engine.stages.pixel_file import PixelFile

RANKING_SAMPLES = 16
"""10 to 24 samples give a stable order (accuracy.md §5.1)."""


@dataclass(frozen=True)
class Spec:
    graph: Path
    fitted: Path
    pixels: Path
    preprocessing: Preprocessing
    settings: QuantizationSettings
    samples: tuple[int, ...]
    keep_float: dict[str, str] = field(default_factory=dict)
    """Node name -> why it is in float already."""


@dataclass(frozen=True)
class Result:
    sensitivities: tuple[Sensitivity, ...]


def run(spec: Spec, context: StageContext) -> Result:
    prepared = onnx.load(spec.graph)
    placement = place(prepared, ONNXRUNTIME, spec.keep_float)
    total = len(placement.groups)
    with PixelFile(spec.pixels) as pixels:
        inputs = list(batches(pixels, spec.samples[:RANKING_SAMPLES], spec.preprocessing, prepared))

    def on_group(done: int, _: Sensitivity) -> None:
        context.report(Progress(done, total))

    ranked = rank_groups(
        get_runtime("onnxruntime"),
        prepared,
        placement,
        load_fitted(spec.fitted),
        inputs,
        threads=context.threads,
        on_group=on_group,
    )
    context.report(Progress(total, total, f"{total} layers ranked; most harmful: {ranked[0].node} ({ranked[0].op_type})"))
    return Result(ranked)
