"""Interleaved slices of several loads, round after round.

A round gives each load one slice; rounds go through the loads forwards and backwards in turn, so that a drift of the clock
frequency cancels. Before each slice its load runs untimed for SETTLE_SECONDS: threads of the one before may spin on for some
30 ms and hold a core (without this an INT8 file with 2 threads was measured 0.93 times as fast as FP32, with it 1.54 times).

A round in which *every* load falls below DISTURBED_BELOW of its own median was disturbed from outside and is measured again.
This cannot favour one: a round is never dropped because one of them was slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.engine.benchmark.load import LoadSample
from app.engine.runtimes.base import Array

SLICE_SECONDS = 0.1
SETTLE_SECONDS = 0.1
MIN_ROUNDS = 10
"""Fewer give no usable interval of a median."""
DISTURBED_BELOW = 0.8
"""Of a file's median throughput. Undisturbed rounds scatter by some 3 %."""
MAX_REPEATED = 5
OnRound = Callable[[int, int], None]
"""Called with (rounds done, rounds in all)."""


class Measurable(Protocol):
    """What `measure_rounds` needs of a `Load`."""

    def run(self, seconds: float) -> LoadSample: ...


@dataclass(frozen=True)
class Rounds:
    """samples[round][file], as measured."""

    samples: tuple[tuple[LoadSample, ...], ...]
    repeated: int
    disturbed: int

    def throughputs(self) -> Array:
        """(rounds, files) float64, frames per second."""
        return np.array([[sample.throughput_fps for sample in row] for row in self.samples], np.float64)

    def median_latencies(self) -> Array:
        """(rounds, files) float64, milliseconds."""
        return np.array([[np.median(sample.latencies_ms) for sample in row] for row in self.samples], np.float64)

    def latencies_of(self, file: int) -> Array:
        """(requests,) float64, milliseconds, of all rounds."""
        return np.concatenate([row[file].latencies_ms for row in self.samples])


def measure_rounds(loads: Sequence[Measurable], seconds: float, on_round: OnRound = lambda _done, _total: None) -> Rounds:
    """Interleaved slices of all `loads`; the disturbed rounds measured again, at most MAX_REPEATED of them."""
    count = max(MIN_ROUNDS, round(seconds / (SLICE_SECONDS * len(loads))))
    samples = []
    for number in range(count):
        samples.append(_measure_round(loads, backwards=number % 2 == 1))
        on_round(number + 1, count)
    repeated = 0
    while repeated < MAX_REPEATED and (disturbed := find_disturbed(samples)):
        samples[disturbed[0]] = _measure_round(loads, backwards=disturbed[0] % 2 == 1)
        repeated += 1
    return Rounds(tuple(samples), repeated, len(find_disturbed(samples)))


def _measure_round(loads: Sequence[Measurable], *, backwards: bool) -> tuple[LoadSample, ...]:
    measured: dict[int, LoadSample] = {}
    for file in reversed(range(len(loads))) if backwards else range(len(loads)):
        loads[file].run(SETTLE_SECONDS)
        measured[file] = loads[file].run(SLICE_SECONDS)
    return tuple(measured[file] for file in range(len(loads)))


def find_disturbed(samples: Sequence[Sequence[LoadSample]]) -> list[int]:
    """The rounds in which every file was below DISTURBED_BELOW of its median over all rounds, the slowest round first."""
    throughputs = np.array([[sample.throughput_fps for sample in row] for row in samples], np.float64)
    relative = (throughputs / np.median(throughputs, axis=0)).max(axis=1)  # (rounds, files) -> (rounds,)
    return [int(number) for number in np.argsort(relative, kind="stable") if relative[number] < DISTURBED_BELOW]
