"""Statistics of one tensor over a stream of samples: constant memory, mergeable across shards.

minimum, maximum            over everything seen
sum_minimum, sum_maximum    of the minima and maxima of single samples, for averaged ranges
samples                     how many samples were seen
histogram                   of a fixed subset of positions, or None when no estimator needs it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.calibration.histogram import Histogram
from app.errors import WorkbenchError

HISTOGRAM_POSITIONS = 65_536
"""Positions per sample that enter the histogram, evenly strided; minima and maxima always see all."""


@dataclass(frozen=True)
class TensorStatistics:
    minimum: float
    maximum: float
    sum_minimum: float
    sum_maximum: float
    samples: int
    histogram: Histogram | None

    def merged(self, other: TensorStatistics) -> TensorStatistics:
        both = self.histogram is not None and other.histogram is not None
        return TensorStatistics(
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.sum_minimum + other.sum_minimum,
            self.sum_maximum + other.sum_maximum,
            self.samples + other.samples,
            self.histogram.merged(other.histogram) if both else None,  # type: ignore[union-attr, arg-type]
        )


def observe(name: str, batch: np.ndarray, *, histogram: bool) -> TensorStatistics:
    """Statistics of one batch, (N, …) float32, N samples.

    Raises:
        WorkbenchError: `calibration.not_finite` when the tensor has NaN or infinities.
    """
    per_sample = batch.reshape(batch.shape[0], -1)
    minima, maxima = per_sample.min(axis=1), per_sample.max(axis=1)
    if not (np.isfinite(minima).all() and np.isfinite(maxima).all()):
        raise WorkbenchError(
            "calibration.not_finite",
            "A tensor has NaN or infinite values on the calibration samples, so it has no range.",
            where=name,
            hint="Check the preprocessing, and that the FP32 model gives finite values on these samples.",
        )
    counted = None
    if histogram:
        stride = max(1, per_sample.shape[1] // HISTOGRAM_POSITIONS)
        counted = Histogram.of(per_sample[:, ::stride])
    return TensorStatistics(
        float(minima.min()), float(maxima.max()), float(minima.sum()), float(maxima.sum()), len(minima), counted
    )


def save_statistics(path: Path, statistics: Mapping[str, TensorStatistics]) -> None:
    """As npz: names, (T, 5) scalars, (T, BINS) counts with (T,) exponents when there are histograms."""
    values = list(statistics.values())
    arrays = {
        "names": np.array(list(statistics)),
        "scalars": np.array([[s.minimum, s.maximum, s.sum_minimum, s.sum_maximum, s.samples] for s in values]),
    }
    histograms = [s.histogram for s in values if s.histogram is not None]
    if histograms:
        arrays["exponents"] = np.array([h.exponent for h in histograms])
        arrays["counts"] = np.stack([h.counts for h in histograms])
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_statistics(path: Path) -> dict[str, TensorStatistics]:
    with np.load(path, allow_pickle=False) as data:
        names, scalars = data["names"], data["scalars"]
        histograms: list[Histogram | None] = [None] * len(names)
        if "counts" in data:
            histograms = [
                Histogram(int(exponent), counts) for exponent, counts in zip(data["exponents"], data["counts"], strict=True)
            ]
    return {
        str(name): TensorStatistics(
            minimum=float(row[0]),
            maximum=float(row[1]),
            sum_minimum=float(row[2]),
            sum_maximum=float(row[3]),
            samples=int(row[4]),
            histogram=histogram,
        )
        for name, row, histogram in zip(names, scalars, histograms, strict=True)
    }
