"""Stage: choose by speed, on this device, what stays in float and which exact layout the INT8 file gets.

Measured with one thread and batch 1 (or the model's own): as many streams of one thread as there are cores is how these
networks give most throughput, and what the verdict against FP32 is measured with. The choice depends on the device, so the spec
names it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from app.engine.benchmark.race import RaceResult, race
from app.engine.numerics.intervals import Interval
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.assembly import load_fitted
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.speed.costs import Costs, compute_costs
from app.engine.quantize.speed.layouts import FOR_FLOAT_TOO, LAYOUTS, apply_layouts
from app.engine.quantize.speed.reasons import explain_slowness
from app.engine.quantize.speed.regions import Region, propose_regions
from app.engine.quantize.speed.search import Choice, Move, search
from app.engine.quantize.verification import assemble_verified
from app.engine.runtimes import get_runtime
from app.engine.runtimes.profile import profile_kernels
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.feeding import batches
from app.engine.stages.pixel_file import PixelFile

FASTER_ABOVE = 1.0
"""What the whole interval of the speed-up over FP32 must be above."""
REQUESTS = 4
"""Different samples in turn."""


@dataclass(frozen=True)
class Spec:
    graph: Path
    """Float graph that the integers belong to, as `fit` wrote it."""
    fitted: Path
    pixels: Path
    preprocessing: Preprocessing
    samples: tuple[int, ...]
    device: str
    """`fingerprint()` of the device this runs on: the result holds there."""
    keep_float: dict[str, str] = field(default_factory=dict)
    """Node name -> why it stays in float whatever the speed."""
    seconds: float = 20.0
    """No race begins later; what runs then is finished."""
    race_seconds: float = 2.0
    """The longest race of two candidates."""
    verdict_seconds: float = 3.0
    """Of the last race, against FP32."""


@dataclass(frozen=True)
class Result:
    keep_float: dict[str, str]
    """That of the spec, and what is slower in INT8 here."""
    layouts: tuple[str, ...]
    """For `apply_layouts`."""
    moves: tuple[Move, ...]
    speedup: Interval
    """Of the INT8 file over the float graph (with the same rewrites), one thread."""
    faster: bool
    """Whether the whole interval is above 1."""
    reasons: tuple[str, ...]
    """Where the time goes, when it is not faster."""


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: those of the runtime.
    """
    files = _Files(spec, context.folder)
    runtime = get_runtime("onnxruntime")
    end = time.perf_counter() + spec.seconds
    report = _Report(context, spec.seconds)

    def challenge(held: bytes, challenger: bytes, line: float) -> RaceResult:
        return race(runtime, held, challenger, files.requests, line=line, seconds=spec.race_seconds)

    found = search(
        files,
        Choice(spec.keep_float),
        tuple(LAYOUTS),
        challenge,
        go_on=lambda: time.perf_counter() < end,
        on_move=report.move,
    )
    if found is None:
        report.line("Nothing of this model is INT8, so there is no speed to choose by")
        return Result(dict(spec.keep_float), (), (), Interval(1.0, 1.0, 1.0), faster=False, reasons=("nothing is INT8",))
    original = files.float_file(found.choice.layouts)
    speedup = race(runtime, original, found.file, files.requests, line=None, seconds=spec.verdict_seconds).speedup
    faster = speedup.low > FASTER_ABOVE
    report.line(f"{speedup.value:.2f} × as fast as FP32 on one thread (95 %: {speedup.low:.2f} to {speedup.high:.2f})")
    reasons = () if faster else files.explain(found.choice)
    for reason in reasons:
        report.line(reason)
    return Result(dict(found.choice.keep_float), found.choice.layouts, found.moves, speedup, faster, reasons)


class _Files:
    """Candidates of one graph and what the runtime's profiler says of them."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self._graph, self._fitted, self._folder = onnx.load(spec.graph), load_fitted(spec.fitted), folder
        (value,) = self._graph.graph.input
        with PixelFile(spec.pixels) as pixels:
            size = value.type.tensor_type.shape.dim[0].dim_value or 1
            inputs = list(batches(pixels, spec.samples[: REQUESTS * size], spec.preprocessing, self._graph))
        self.requests: Sequence[Mapping[str, np.ndarray]] = [{value.name: x} for x in inputs]

    def build(self, choice: Choice) -> bytes | None:
        if not place(self._graph, ONNXRUNTIME, choice.keep_float).groups:
            return None
        verified = assemble_verified(self._graph, ONNXRUNTIME, choice.keep_float, self._fitted, self._folder)
        return bytes(apply_layouts(verified.model, choice.layouts).SerializeToString(deterministic=True))

    def float_file(self, layouts: Sequence[str]) -> bytes:
        """What the INT8 file is compared with: it gets the layouts that help a float file, too."""
        model = apply_layouts(self._graph, [name for name in layouts if name in FOR_FLOAT_TOO])
        return bytes(model.SerializeToString(deterministic=True))

    def propose(self, choice: Choice) -> Sequence[Region]:
        placement = place(self._graph, ONNXRUNTIME, choice.keep_float)
        return propose_regions(self._graph, placement.quantized, self._costs(choice))

    def explain(self, choice: Choice) -> tuple[str, ...]:
        placement = place(self._graph, ONNXRUNTIME, choice.keep_float)
        return explain_slowness(self._graph.graph, placement.quantized, placement.kept_in_float, self._costs(choice))

    def _costs(self, choice: Choice) -> Costs:
        int8_file = self.build(choice)
        assert int8_file is not None
        timed = [profile_kernels(file, self.requests[0], self._folder) for file in (self.float_file(choice.layouts), int8_file)]
        return compute_costs(self._graph.graph, *timed)


class _Report:
    def __init__(self, context: StageContext, seconds: float) -> None:
        self._context, self._begin, self._seconds = context, time.perf_counter(), seconds

    def move(self, move: Move) -> None:
        verdict = "taken" if move.taken else "not taken"
        self.line(f"{move.name}: {move.speedup.value:.3f} × ({move.speedup.low:.3f} to {move.speedup.high:.3f}), {verdict}")

    def line(self, message: str) -> None:
        done = min(self._seconds, time.perf_counter() - self._begin)
        self._context.report(Progress(round(done), round(self._seconds), message))
