"""Statistics of a value at hand as an array; those of a graph's values are collected inside the runtime (`collector`)."""

from __future__ import annotations

import numpy as np

from app.engine.calibration.accumulator import Accumulator
from app.engine.calibration.instrument import Observed
from app.engine.calibration.non_finite import CODE, HINT, MESSAGE
from app.engine.calibration.observed_run import observe_run
from app.engine.calibration.reservoir import KEPT_SAMPLES, sampled_values, values_per_sample
from app.engine.calibration.selection import is_kept
from app.engine.calibration.statistics import TensorStatistics
from app.engine.calibration.statistics_file import load_statistics, save_statistics
from app.errors import WorkbenchError

__all__ = ["TensorStatistics", "load_statistics", "observe", "save_statistics"]


def observe(
    name: str, batch: np.ndarray, *, histogram: bool, axis: int = 1, first: int = 0, total: int | None = None
) -> TensorStatistics:
    """Statistics of one batch, (N, …) float32, N samples.

    Args:
        axis: Of the channels.
        first: Number of the first of these samples among all.
        total: How many samples there are in all; by default these.

    Raises:
        WorkbenchError: `calibration.not_finite` when the tensor has NaN or infinities.
    """
    rows, batch = len(batch), batch.reshape(len(batch), -1) if batch.ndim < 2 else batch
    channels = batch.shape[axis]
    size = batch[0].size // channels
    total = total or first + rows
    wanted = max(1, sampled_values(total, histogram=histogram) // channels)
    entry = Observed(name, "whole", axis, channels, size, min(size, wanted))
    kept = [number for number in range(first, first + rows) if is_kept(number, total, KEPT_SAMPLES)]
    run = observe_run([entry], {name: batch}, first, rows, kept, histogram=histogram, reservoir_values=values_per_sample(total))
    if not run.finite:
        raise WorkbenchError(CODE, MESSAGE, where=name, hint=HINT)
    accumulator = Accumulator([entry])
    accumulator.add(run)
    return accumulator.finish()[name]
