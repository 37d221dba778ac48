"""Stage: throughput and latency of one file over a grid of settings.

The child runs at the lowest priority, so that pages stay quick beside it. That is fair to the measurement only because the
worker gives this stage its measuring lane: no other job runs on the machine meanwhile. The priority is not raised here, which
an ordinary user may not do anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.benchmark.feeds import FeedSource, from_pixels, from_shape
from app.engine.benchmark.grid import default_grid, measure_grid
from app.engine.benchmark.results import Cell, GridResult, Setting
from app.engine.graph.description import Notice
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.errors import WorkbenchError

MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class Spec:
    model: Path
    pixels: Path | None = None
    """None: random inputs of the model's declared shape."""
    preprocessing: Preprocessing | None = None
    """Of the pixels."""
    settings: tuple[Setting, ...] = ()
    """Empty: the default grid for the cores the stage may use."""
    seconds: float = 2.0
    """Per setting."""
    height: int | None = None
    """For random inputs where the model leaves the height free; likewise `width`."""
    width: int | None = None
    runtime: str = "onnxruntime"


@dataclass(frozen=True)
class Result:
    grid: GridResult
    notices: tuple[Notice, ...] = ()


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: `benchmark.seconds`, `benchmark.setting`, `benchmark.size_needed`, `benchmark.no_samples`,
            `benchmark.several_inputs`, `benchmark.input_type`, and those of the runtime.
    """
    require_seconds(spec.seconds)
    settings = spec.settings or default_grid(context.threads)
    grid = measure_grid(
        get_runtime(spec.runtime),
        spec.model,
        feed_source(spec.pixels, spec.preprocessing, spec.height, spec.width),
        settings,
        spec.seconds,
        on_cell=lambda done, total, cell: context.report(Progress(done, total, _line(cell))),
    )
    return Result(grid, _batch_notices(settings, grid))


def require_seconds(seconds: float) -> None:
    """
    Raises:
        WorkbenchError: `benchmark.seconds`.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_SECONDS):
        raise WorkbenchError(
            "benchmark.seconds",
            f"The time of a measurement must be more than 0 and at most {MAX_SECONDS:.0f} seconds, but is {seconds:g}.",
            where="seconds",
            hint="Two to ten seconds are usual.",
        )


def feed_source(
    pixels: Path | None, preprocessing: Preprocessing | None, height: int | None = None, width: int | None = None
) -> FeedSource:
    """Samples where there are some, else random inputs; `pixels` stay on disk and are read as needed."""
    if pixels is None or preprocessing is None:
        return from_shape(height, width)
    return from_pixels(np.load(pixels, mmap_mode="r"), preprocessing)


def _line(cell: Cell) -> str:
    s, latency = cell.setting, cell.latency_ms
    return (
        f"{s.streams} × {s.threads} threads, batch {s.batch}: {cell.throughput_fps:.4g} frames per second, "
        f"latency {latency.p50:.3g} ms (p99 {latency.p99:.3g}), {latency.n} requests"
    )


def _batch_notices(asked: tuple[Setting, ...], grid: GridResult) -> tuple[Notice, ...]:
    measured = {cell.setting.batch for cell in grid.cells}
    if {setting.batch for setting in asked} == measured:
        return ()
    (batch,) = measured
    return (
        Notice(
            "benchmark.fixed_batch",
            f"Measured only with {batch} sample{'' if batch == 1 else 's'} per request: the model's batch size is fixed.",
            "Export it with a dynamic batch size to measure others.",
        ),
    )
