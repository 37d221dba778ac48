"""What a benchmark says. Every figure carries its settings and the number of inferences behind it."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.numerics.intervals import Interval
from app.engine.runtimes.base import Capabilities


@dataclass(frozen=True)
class Latency:
    """Of single requests (one request = one batch), milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    n: int


@dataclass(frozen=True)
class Setting:
    """`streams` requests at a time, each computed by `threads` threads, each of `batch` samples."""

    streams: int
    threads: int
    batch: int


@dataclass(frozen=True)
class Cell:
    setting: Setting
    throughput_fps: float
    latency_ms: Latency
    seconds: float


@dataclass(frozen=True)
class Environment:
    device: Capabilities
    load_average: float
    """One minute, before the measurement."""
    governor: str
    """CPU frequency governor, or "" where the system does not tell."""


@dataclass(frozen=True)
class GridResult:
    """One file at several settings."""

    cells: tuple[Cell, ...]
    load_ms: float
    """Opening the session."""
    first_ms: float
    """First inference after opening."""
    peak_memory_mb: float
    environment: Environment

    @property
    def best(self) -> Cell:
        return max(self.cells, key=lambda cell: cell.throughput_fps)


@dataclass(frozen=True)
class PairedVariant:
    """One file of a paired comparison; ratios are against the first file, > 1 means faster / lower latency is < 1."""

    name: str
    throughput_fps: Interval
    latency_ms: Latency
    speedup: Interval
    """Throughput ratio, 95 % by bootstrap over paired rounds."""
    latency_ratio: Interval
    """Ratio of the median over rounds of each round's p50, 95 % by bootstrap over paired rounds."""


@dataclass(frozen=True)
class PairedResult:
    """Several files measured in interleaved slices at one setting."""

    setting: Setting
    rounds: int
    slice_seconds: float
    variants: tuple[PairedVariant, ...]
    environment: Environment
    repeated_rounds: int = 0
    """Rounds in which something else took the machine: measured again, the first attempt not counted."""
    disturbed_rounds: int = 0
    """Such rounds that are still among `rounds`, because repeating did not help: the machine was busy throughout."""
