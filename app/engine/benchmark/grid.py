"""One file at several settings: streams x batch, each cell under closed-loop load after a warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app.engine.benchmark.environment import read_environment, read_peak_memory_mb
from app.engine.benchmark.feeds import FeedSource, fixed_batch
from app.engine.benchmark.load import Clock, Load, count_sessions, open_sessions
from app.engine.benchmark.results import Cell, GridResult, Setting
from app.engine.benchmark.summary import summarize_latencies
from app.engine.runtimes.base import Runtime, Session
from app.errors import WorkbenchError

WARM_UP_SECONDS = 0.3
"""Untimed load before each cell: memory is allocated, caches filled, and threads of the cell before have gone to sleep (they
spin for some 30 ms, bench/README.md)."""


def default_grid(cores: int) -> tuple[Setting, ...]:
    """One request on all cores and one request per core, each of 1 and of 8 samples."""
    return make_grid(cores, streams=(1, cores), batches=(1, 8))


def make_grid(cores: int, streams: Sequence[int], batches: Sequence[int]) -> tuple[Setting, ...]:
    """Every combination once, in the order given, with the cores shared out evenly among the streams.

    Raises:
        WorkbenchError: `benchmark.setting`.
    """
    settings = [
        Setting(streams=count, threads=max(1, cores // max(1, count)), batch=batch) for count in streams for batch in batches
    ]
    require_settings(settings)
    return tuple(dict.fromkeys(settings))


def require_settings(settings: Sequence[Setting]) -> None:
    """
    Raises:
        WorkbenchError: `benchmark.setting`: there is none, or one with a number below 1.
    """
    if not settings:
        raise WorkbenchError("benchmark.setting", "A benchmark needs at least 1 setting, but got 0.", where="settings")
    for setting in settings:
        if min(setting.streams, setting.threads, setting.batch) < 1:
            raise WorkbenchError(
                "benchmark.setting",
                f"Streams, threads and batch must be at least 1, but one setting has {setting.streams}, {setting.threads} "
                f"and {setting.batch}.",
                where="settings",
            )


def fit_batches(settings: Sequence[Setting], batch: int | None) -> tuple[Setting, ...]:
    """The settings a file can run: all of them, or each combination of streams and threads once with its only batch size."""
    if batch is None:
        return tuple(settings)
    return tuple(dict.fromkeys(replace(setting, batch=batch) for setting in settings))


def measure_grid(
    runtime: Runtime,
    model: Path,
    source: FeedSource,
    settings: Sequence[Setting],
    seconds: float,
    *,
    clock: Clock = time.perf_counter,
    on_cell: Callable[[int, int, Cell], None] = lambda _done, _total, _cell: None,
) -> GridResult:
    """Measure every setting; a file with a fixed batch runs only that (its cells say so).

    `load_ms` is the time to open the first session (the file was just written, so it is in the system's cache), `first_ms` that
    of its first request, which allocates memory.

    Args:
        seconds: Of each cell, without its warm-up; > 0.
        on_cell: Called with (cells done, cells in all, the cell just measured).

    Raises:
        WorkbenchError: `benchmark.setting`, and those of the runtime and of `source`.
    """
    require_settings(settings)
    environment = read_environment(runtime)
    before = clock()
    sessions = open_sessions(runtime, model, replace(settings[0], streams=1))
    load_ms = 1000 * (clock() - before)
    inputs = sessions[0].inputs
    fitted = fit_batches(settings, fixed_batch(inputs))
    first_ms = _first_request(sessions[0], source, fitted[0].batch, clock)

    cells: list[Cell] = []
    opened_for = (settings[0].threads, 1)
    for setting in fitted:
        needed = (setting.threads, count_sessions(setting))
        if needed != opened_for:
            sessions.clear()  # memory and threads go before the next is opened
            sessions, opened_for = open_sessions(runtime, model, setting), needed
        load = Load(sessions, source(inputs, setting.batch), setting, clock)
        cells.append(_measure_cell(load, seconds, clock))
        on_cell(len(cells), len(fitted), cells[-1])
    return GridResult(tuple(cells), load_ms, first_ms, read_peak_memory_mb(), environment)


def _first_request(session: Session, source: FeedSource, batch: int, clock: Clock) -> float:
    feeds = source(session.inputs, batch)[0]
    before = clock()
    session.run(feeds)
    return 1000 * (clock() - before)


def _measure_cell(load: Load, seconds: float, clock: Clock) -> Cell:
    load.run(WARM_UP_SECONDS)
    before = clock()
    sample = load.run(seconds)
    return Cell(load.setting, sample.throughput_fps, summarize_latencies(sample.latencies_ms), clock() - before)
