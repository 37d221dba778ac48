"""A runtime whose requests take exactly the time they are told, on a clock that only they move: benchmarks without waiting."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.engine.graph.description import TensorInfo
from app.engine.runtimes.base import Capabilities

DEVICE = Capabilities("timed", "1", "A CPU", 2, ("avx2",), 2**30, "Linux")


class ThreadClock:
    """Seconds; each thread has its own time, as each stream waits only for its own requests."""

    def __init__(self) -> None:
        self._now = threading.local()

    def __call__(self) -> float:
        return float(getattr(self._now, "seconds", 0.0))

    def advance(self, seconds: float) -> None:
        self._now.seconds = self() + seconds


class TimedSession:
    """Takes `seconds` for each request and remembers them."""

    def __init__(self, clock: ThreadClock, seconds: float, inputs: tuple[TensorInfo, ...]) -> None:
        self.inputs, self.outputs = inputs, ()
        self.requests: list[Mapping[str, np.ndarray]] = []
        self._clock, self._seconds = clock, seconds

    def run(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> list[np.ndarray]:
        self._clock.advance(self._seconds)
        self.requests.append(feeds)
        return []


class TimedRuntime:
    """Opens files named `<milliseconds>.onnx`: a request on one thread takes that long, on more threads that part of it."""

    name = "timed"

    def __init__(self, *, batch: int | None = None, open_seconds: float = 0.0) -> None:
        self.clock = ThreadClock()
        self.opened: list[tuple[str, int]] = []
        self._inputs = (TensorInfo("x", "float32", (batch or "batch", 2)),)
        self._open_seconds = open_seconds

    def capabilities(self) -> Capabilities:
        return DEVICE

    def open(self, model: Path | bytes, *, threads: int = 1, optimize: bool = True, spin: bool = True) -> TimedSession:
        assert isinstance(model, Path)
        self.opened.append((model.stem, threads))
        self.clock.advance(self._open_seconds)
        return TimedSession(self.clock, float(model.stem) / 1000 / threads, self._inputs)
