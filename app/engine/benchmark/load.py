"""A closed-loop load: a fixed number of requests are always under way, each stream sends its next when the last came back.

    throughput = batch * sum over streams of n_i / t_i

with n_i the requests of stream i and t_i the time from its start to the end of its last one, so that the idle tail of a stream
that finished before the others is not counted against it. A stream stops at its first request that ends after the given time,
so each has at least one. Every latency is kept. The streams are Python threads: the runtime releases the interpreter lock
during a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import numpy as np

from app.engine.benchmark.results import Setting
from app.engine.runtimes.base import Array, Runtime, Session

Clock = Callable[[], float]
"""Seconds, monotonic."""
Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class LoadSample:
    """What one stretch of load gave."""

    latencies_ms: Array
    """(requests,) float64, stream after stream."""
    throughput_fps: float
    """Samples per second, not requests."""


@dataclass(frozen=True)
class Load:
    """A file ready to be put under load.

    Args:
        sessions: One that all streams share, or one for each stream.
        requests: Inputs that the streams send in turn, at least one, each of `setting.batch` samples.
    """

    sessions: Sequence[Session]
    requests: Sequence[Feeds]
    setting: Setting
    clock: Clock = time.perf_counter

    def run(self, seconds: float) -> LoadSample:
        """Keep the load up for `seconds`, or for one request of each stream if that takes longer."""
        streams = self.setting.streams
        if streams == 1:
            latencies = [self._stream(0, seconds)]
        else:
            barrier = Barrier(streams)
            with ThreadPoolExecutor(streams, thread_name_prefix="stream") as pool:
                started = [pool.submit(self._stream, number, seconds, barrier) for number in range(streams)]
                latencies = [stream.result() for stream in started]
        requests_per_s = sum(len(of_stream) / of_stream.sum() for of_stream in latencies)
        return LoadSample(1000 * np.concatenate(latencies), float(self.setting.batch * requests_per_s))

    def _stream(self, number: int, seconds: float, barrier: Barrier | None = None) -> Array:
        """(n,) float64: seconds from the end of one request to the end of the next, so that they add up to t_i."""
        session = self.sessions[number % len(self.sessions)]
        requests = [*self.requests[number % len(self.requests) :], *self.requests[: number % len(self.requests)]]
        if barrier is not None:
            barrier.wait()
        ends = [self.clock()]
        deadline = ends[0] + seconds
        while len(ends) == 1 or ends[-1] < deadline:
            session.run(requests[(len(ends) - 1) % len(requests)])
            ends.append(self.clock())
        return np.diff(np.array(ends, np.float64))


def count_sessions(setting: Setting) -> int:
    """How many sessions keep up `setting`.

    Streams of one thread share a session: each computes on the thread that asks. Streams of several threads get a session each,
    because one session has one pool of threads for all its requests.
    """
    return setting.streams if setting.threads > 1 else 1


def open_sessions(runtime: Runtime, model: Path, setting: Setting) -> list[Session]:
    return [runtime.open(model, threads=setting.threads) for _ in range(count_sessions(setting))]
