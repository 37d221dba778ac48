"""Latencies to what people read of them."""

from __future__ import annotations

import numpy as np

from app.engine.benchmark.results import Latency
from app.engine.runtimes.base import Array

PERCENTILES = (50, 90, 95, 99)


def summarize_latencies(latencies_ms: Array) -> Latency:
    """Mean and percentiles, interpolated linearly between order statistics (Hyndman and Fan 1996, type 7; numpy's default).

    With n requests the p-th percentile lies at position 1 + (n - 1) p / 100 of the sorted latencies. Below 100 requests p99 is
    little more than the maximum: that is why n goes along.

    Args:
        latencies_ms: (n,) float64, n >= 1.

    Raises:
        ValueError: no latency is given.
    """
    if latencies_ms.ndim != 1 or len(latencies_ms) == 0:
        raise ValueError(f"latencies must be an (n,) array with n >= 1, but have shape {latencies_ms.shape}")
    p50, p90, p95, p99 = (float(value) for value in np.percentile(latencies_ms, PERCENTILES))
    return Latency(float(latencies_ms.mean()), p50, p90, p95, p99, len(latencies_ms))
