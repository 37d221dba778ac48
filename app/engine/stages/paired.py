"""Stage: the speed of several files compared in turns at one setting; the first is the reference.

As for the stage `benchmark`, the measuring lane makes the lowest priority harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.engine.benchmark.paired import measure_paired
from app.engine.benchmark.results import PairedResult, Setting
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.runtimes import get_runtime
from app.engine.stages.benchmark import feed_source, require_seconds
from app.engine.stages.context import Progress, StageContext
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Spec:
    models: tuple[Path, ...]
    names: tuple[str, ...]
    setting: Setting
    seconds: float
    """Of measuring for all files together, without settling."""
    pixels: Path | None = None
    """None: random inputs of the models' declared shape."""
    preprocessing: Preprocessing | None = None
    height: int | None = None
    width: int | None = None
    runtime: str = "onnxruntime"


@dataclass(frozen=True)
class Result:
    paired: PairedResult


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: `benchmark.models`, `benchmark.batch_mismatch`, and those of the stage `benchmark`.
    """
    require_seconds(spec.seconds)
    if not spec.models or len(spec.models) != len(spec.names):
        raise WorkbenchError(
            "benchmark.models",
            f"A comparison needs at least 1 file and a name for each, but got {len(spec.models)} and {len(spec.names)}.",
            where="models",
        )
    paired = measure_paired(
        get_runtime(spec.runtime),
        spec.models,
        spec.names,
        feed_source(spec.pixels, spec.preprocessing, spec.height, spec.width),
        spec.setting,
        spec.seconds,
        on_round=lambda done, total: context.report(Progress(done, total)),
    )
    for line in [f"{paired.rounds} rounds in turns", *_disturbance(paired)]:
        context.report(Progress(paired.rounds, paired.rounds, line))
    return Result(paired)


def _disturbance(paired: PairedResult) -> list[str]:
    if paired.disturbed_rounds:
        return [
            f"Something else used this machine in {paired.disturbed_rounds} of {paired.rounds} rounds; repeating did not help"
        ]
    if paired.repeated_rounds:
        return [f"Something else used this machine for a moment: {paired.repeated_rounds} rounds were measured again"]
    return []
