"""Several files compared in turns, so that whatever disturbs the machine disturbs all of them alike.

All files are open at once and measured in interleaved slices (see `rounds`).

    speedup_i        = median over rounds of throughput_i / median over rounds of throughput_0
    latency_ratio_i  = the same of each slice's median latency
    95 % intervals   by bootstrap over rounds, the same rounds drawn for both files (`bootstrap_ratio`)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.engine.benchmark.environment import read_environment
from app.engine.benchmark.feeds import FeedSource, fixed_batch
from app.engine.benchmark.grid import require_settings
from app.engine.benchmark.load import Clock, Load, open_sessions
from app.engine.benchmark.results import Environment, PairedResult, PairedVariant, Setting
from app.engine.benchmark.rounds import SLICE_SECONDS, OnRound, Rounds, measure_rounds
from app.engine.benchmark.summary import summarize_latencies
from app.engine.numerics.intervals import Interval, bootstrap_ratio
from app.engine.runtimes.base import Array, Runtime
from app.errors import WorkbenchError


def measure_paired(
    runtime: Runtime,
    models: Sequence[Path],
    names: Sequence[str],
    source: FeedSource,
    setting: Setting,
    seconds: float,
    *,
    clock: Clock = time.perf_counter,
    on_round: OnRound = lambda _done, _total: None,
) -> PairedResult:
    """Measure `models` in turns; ratios are against the first.

    Args:
        names: Of the models, in the same order.
        setting: Files with a fixed batch size run that instead (the result's setting says so).
        seconds: Of measuring for all files together, without settling; at least MIN_ROUNDS rounds are measured.

    Raises:
        WorkbenchError: `benchmark.setting`, `benchmark.batch_mismatch`, and those of the runtime and of `source`.
    """
    require_settings([setting])
    environment = read_environment(runtime)
    sessions = [open_sessions(runtime, model, setting) for model in models]
    batches = [fixed_batch(opened[0].inputs) for opened in sessions]
    setting = replace(setting, batch=_common_batch(names, batches, setting.batch))
    loads = [Load(opened, source(opened[0].inputs, setting.batch), setting, clock) for opened in sessions]
    rounds = measure_rounds(loads, seconds, on_round)
    return summarize_rounds(rounds, names, setting, environment)


def summarize_rounds(rounds: Rounds, names: Sequence[str], setting: Setting, environment: Environment) -> PairedResult:
    """Medians, ratios against the first file, and their intervals."""
    throughputs, latencies = rounds.throughputs(), rounds.median_latencies()
    variants = tuple(
        PairedVariant(
            name=name,
            throughput_fps=_median_interval(throughputs[:, file]),
            latency_ms=summarize_latencies(rounds.latencies_of(file)),
            speedup=bootstrap_ratio(throughputs[:, file], throughputs[:, 0]),
            latency_ratio=bootstrap_ratio(latencies[:, file], latencies[:, 0]),
        )
        for file, name in enumerate(names)
    )
    return PairedResult(
        setting=setting,
        rounds=len(rounds.samples),
        slice_seconds=SLICE_SECONDS,
        variants=variants,
        environment=environment,
        repeated_rounds=rounds.repeated,
        disturbed_rounds=rounds.disturbed,
    )


def _median_interval(values: Array) -> Interval:
    """Against a constant 1 the ratio of medians is the median itself."""
    return bootstrap_ratio(values, np.ones_like(values))


def _common_batch(names: Sequence[str], batches: Sequence[int | None], asked: int) -> int:
    fixed = sorted({batch for batch in batches if batch is not None})
    if len(fixed) > 1:
        raise WorkbenchError(
            "benchmark.batch_mismatch",
            f"Files can be compared at one batch size, but theirs are fixed at {', '.join(map(str, fixed))}.",
            where=", ".join(names),
            hint="Export the models with a dynamic batch size.",
        )
    return fixed[0] if fixed else asked
