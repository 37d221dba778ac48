"""Two files raced until it is clear which one is faster, or time is up.

    r_i     median time of the one / median time of the other, in round i: two slices right after one another, their order
    changing result  median of r_i and its 95 % interval by bootstrap over rounds

The clock is the CPU time of this thread, and sessions have one thread, which is the calling one: what other processes do to the
machine then costs caches, but no waiting (beside seven other jobs on two cores the ratio of two files stayed within 2 % where
wall time gave 0.8 to 1.4). One thread is also how throughput is best: one request per core.

The race is over when the interval no longer holds `line`; looking at it again and again makes the error a little larger than 5
%, therefore at least MIN_ROUNDS are run, and the looks are spaced.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.engine.benchmark.load import Clock
from app.engine.numerics.intervals import Interval, bootstrap_ratio
from app.engine.runtimes.base import Array, Runtime, Session

SLICE_SECONDS = 0.02
MIN_ROUNDS = 8
LOOKS_APART = 1.4
"""Rounds at a look, times those at the look before."""
Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class RaceResult:
    speedup: Interval
    """Of the challenger over the file held, with its 95 % interval; above 1 when the challenger is faster."""
    held_ms: float
    """Median over rounds, CPU time of one run."""
    challenger_ms: float


def race(
    runtime: Runtime,
    held: bytes,
    challenger: bytes,
    requests: Sequence[Feeds],
    *,
    line: float | None = 1.0,
    seconds: float = 2.0,
    clock: Clock = time.thread_time,
) -> RaceResult:
    """
    Args:
        requests: Inputs in turn, at least one.
        line: The speed-up that matters; None for a race that takes all its time.
        seconds: After which the race ends undecided, but not before MIN_ROUNDS.
    """
    sessions = [runtime.open(model, threads=1) for model in (held, challenger)]
    runs = [_runs_per_slice(session, requests, clock) for session in sessions]
    rounds: list[tuple[float, float]] = []
    look, end, side = MIN_ROUNDS, clock() + seconds, 0
    while True:
        times = [0.0, 0.0]
        for file in (0, 1) if len(rounds) % 2 == 0 else (1, 0):
            times[file] = _slice(sessions[file], requests, runs[file], clock)
        rounds.append((times[0], times[1]))
        if len(rounds) < look:
            continue
        measured = np.array(rounds)  # (rounds, 2) seconds
        speedup = bootstrap_ratio(measured[:, 0] / measured[:, 1], np.ones(len(rounds)))
        before, side = side, _side(speedup, line)
        if (side and side == before) or clock() > end:
            held_ms, challenger_ms = 1000 * np.median(measured, axis=0)
            return RaceResult(speedup, float(held_ms), float(challenger_ms))
        look = max(look + 1, round(look * LOOKS_APART))


def _side(speedup: Interval, line: float | None) -> int:
    """1 when the interval is above the line, -1 when it is below, 0 when it holds the line or there is none."""
    return 0 if line is None else (speedup.low > line) - (speedup.high < line)


def _runs_per_slice(session: Session, requests: Sequence[Feeds], clock: Clock) -> int:
    """As many as fit a slice; the session is warm afterwards."""
    session.run(requests[0])
    return max(1, int(SLICE_SECONDS / max(_slice(session, requests, 1, clock), 1e-6)))


def _slice(session: Session, requests: Sequence[Feeds], runs: int, clock: Clock) -> float:
    """Median seconds of a run; one run before, untimed, brings the file's weights back into the caches."""
    session.run(requests[-1])
    seconds = []
    for number in range(runs):
        begin = clock()
        session.run(requests[number % len(requests)])
        seconds.append(clock() - begin)
    return float(np.median(seconds))
