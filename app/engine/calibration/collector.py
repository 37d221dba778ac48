"""Runs a model over samples and observes chosen values: memory does not grow with their number.

Most samples are run for extremes and means alone (`instrument`); KEPT_SAMPLES of them, spread evenly, are observed in full:
with sampled positions for histograms, squares and the reservoir. Samples run side by side, one thread each, where their values
fit the budget (two runs of one thread do more than one run of two); the results are added in the order of the samples, so that
the sums do not depend on who was first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from app.engine.calibration.accumulator import Accumulator
from app.engine.calibration.forecast import Forecast, forecast, infer_shapes
from app.engine.calibration.instrument import chosen_positions, instrument, plan_observation
from app.engine.calibration.non_finite import refuse_non_finite
from app.engine.calibration.observed_run import ObservedRun, observe_run
from app.engine.calibration.reservoir import KEPT_SAMPLES, sampled_values, values_per_sample
from app.engine.calibration.selection import is_kept
from app.engine.calibration.statistics import TensorStatistics
from app.engine.graph.index import model_inputs
from app.engine.graph.model_io import LARGEST_PROTOBUF, constants_bytes, save_model
from app.engine.runtimes.base import Runtime, Session
from app.errors import WorkbenchError


def collect_statistics(
    runtime: Runtime,
    model: onnx.ModelProto,
    tensors: Sequence[str],
    batches: Iterable[np.ndarray],
    *,
    histogram: bool,
    threads: int,
    on_batch: Callable[[int], None],
    total: int | None = None,
    first: int = 0,
    numbers: Sequence[int] = (),
    on_forecast: Callable[[Forecast], None] = lambda _: None,
) -> dict[str, TensorStatistics]:
    """Statistics of `tensors` (names of float values of the graph, its input among them) over all batches.

    Args:
        batches: Input tensors as the model takes them, (N, …), all of one shape.
        on_batch: Called with the number of samples seen so far.
        total: How many samples there are in all, shards of others included. Unknown, more are observed in full than needed.
        first: Number of the first of these samples among all.
        numbers: What the user calls the samples, in the order of the batches; for messages.
        on_forecast: Called before anything runs, with the memory it will take; it may refuse.

    Raises:
        WorkbenchError: `calibration.empty`, `calibration.shape`, `calibration.not_finite`.
    """
    feed = iter(batches)
    start = next(feed, None)
    if start is None:
        raise WorkbenchError("calibration.empty", "Calibration needs at least 1 sample, but got 0.")
    collector = _Collector(runtime, model, tensors, start, histogram=histogram, threads=threads, total=total, numbers=numbers)
    on_forecast(collector.forecast)
    return collector.run(chain([start], feed), first, on_batch)


@dataclass(frozen=True)
class _Task:
    batch: np.ndarray
    first: int
    rows: int
    kept: tuple[int, ...]


class _Collector:
    def __init__(
        self,
        runtime: Runtime,
        model: onnx.ModelProto,
        tensors: Sequence[str],
        start: np.ndarray,
        *,
        histogram: bool,
        threads: int,
        total: int | None,
        numbers: Sequence[int],
    ) -> None:
        self._runtime, self._model, self._tensors = runtime, model, tuple(dict.fromkeys(tensors))
        self._histogram, self._total, self._numbers = histogram, total, numbers
        (entry,) = model_inputs(model.graph)
        self._input, self._shape = entry.name, start.shape
        _require_shape(entry, start.shape, numbers[0] if numbers else 0)
        self._shapes = infer_shapes(model, start.shape)
        wanted = sampled_values(total, histogram=histogram)
        self._plan = plan_observation(model.graph, self._tensors, self._shapes, len(start), wanted)
        self.forecast = forecast(model, tensors, start.shape, threads)
        self._sessions: dict[bool, Session] = {}

    def run(self, batches: Iterable[np.ndarray], first: int, on_batch: Callable[[int], None]) -> dict[str, TensorStatistics]:
        accumulator = Accumulator(self._plan)
        seen = 0
        for observed in self._in_order(self._tasks(batches, first)):
            accumulator.add(observed)
            seen += len(observed.minima)
            on_batch(seen)
        return accumulator.finish()

    def _tasks(self, batches: Iterable[np.ndarray], first: int) -> Iterator[_Task]:
        number = first
        for batch in batches:
            if batch.shape != self._shape:
                raise _wrong_shape(self._shape, batch.shape, self._user_number(number - first))
            rows = len(batch) if self._total is None else min(len(batch), self._total - number)
            if rows <= 0:
                return
            here = range(number, number + rows)
            kept = tuple(n for n in here if is_kept(n, self._total or n + 1, KEPT_SAMPLES))
            yield _Task(batch, number, rows, kept)
            number += rows

    def _in_order(self, tasks: Iterator[_Task]) -> Iterator[ObservedRun]:
        """Results in the order of the tasks; never more than one batch waits for each run."""
        running: deque[Future[ObservedRun]] = deque()
        with ThreadPoolExecutor(self.forecast.runs) as pool:
            try:
                for task in tasks:
                    session = self._session(sampled=bool(task.kept) or self.forecast.sessions == 1)
                    running.append(pool.submit(self._observe, session, task))
                    if len(running) > self.forecast.runs:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()

    def _session(self, *, sampled: bool) -> Session:
        if sampled not in self._sessions:
            observed = instrument(self._model, self._plan, self._shapes, sampled=sampled)
            self._sessions[sampled] = _open(self._runtime, observed, self.forecast.threads_per_run)
        return self._sessions[sampled]

    def _observe(self, session: Session, task: _Task) -> ObservedRun:
        fed = {entry.name for entry in session.inputs}
        positions = chosen_positions(self._plan, task.first)
        feeds = {self._input: task.batch, **{name: chosen for name, chosen in positions.items() if name in fed}}
        outputs = [output.name for output in session.outputs]
        values = dict(zip(outputs, session.run(feeds, outputs), strict=True))
        values[self._input] = task.batch
        run = observe_run(
            self._plan,
            values,
            task.first,
            task.rows,
            task.kept,
            histogram=self._histogram,
            reservoir_values=values_per_sample(self._total),
        )
        if not run.finite:
            samples = [self._user_number(task.first + row) for row in range(task.rows)]
            refuse_non_finite(self._runtime, self._model, self._tensors, self._shapes, task.batch, samples)
        return run

    def _user_number(self, position: int) -> int:
        return self._numbers[position] if position < len(self._numbers) else position


def _open(runtime: Runtime, model: onnx.ModelProto, threads: int, largest: int = LARGEST_PROTOBUF) -> Session:
    """A lean session; through files where the model is too large for one message."""
    if constants_bytes(model) <= largest:
        return runtime.open(model.SerializeToString(), threads=threads, lean=True)
    with TemporaryDirectory() as folder:
        save_model(model, Path(folder) / "observed.onnx", largest=largest)
        return runtime.open(Path(folder) / "observed.onnx", threads=threads, lean=True)


def _require_shape(entry: onnx.ValueInfoProto, shape: tuple[int, ...], sample: int) -> None:
    """
    Raises:
        WorkbenchError: `calibration.shape`.
    """
    if not entry.type.tensor_type.HasField("shape"):
        return
    dims = entry.type.tensor_type.shape.dim
    expected = tuple(dim.dim_value or dim.dim_param or "?" for dim in dims)
    fits = len(shape) == len(dims) and all(
        not dim.dim_value or dim.dim_value == size for dim, size in zip(dims, shape, strict=True)
    )
    if not fits:
        raise _wrong_shape(expected, shape, sample)


def _wrong_shape(expected: tuple[int | str, ...], shape: tuple[int, ...], sample: int) -> WorkbenchError:
    names = [", ".join(map(str, some)) for some in (expected, shape)]
    return WorkbenchError(
        "calibration.shape",
        f"A calibration sample must have the shape ({names[0]}), but has ({names[1]}).",
        where=f"sample {sample}",
        hint="Prepare the samples again with the model's input size and layout.",
    )
