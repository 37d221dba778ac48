"""The range whose 8-bit version of the histogram loses the least information: smallest Kullback-Leibler divergence.

    h     histogram between the smallest and the largest value       (n,) counts
    i     bins kept: the candidate range, from 0 outwards; on both sides of 0 when the values have both signs
    P     h[:i], and what lies outside added to its last bins         normalized
    Q     h[:i] brought to LEVELS levels and back: each level's counts spread evenly over those of its bins where P > 0
    D     sum over bins with P > 0 of P log(P / Q)

Q leaves out what lies outside. This is what makes clipping cost something: where the range ends in a level without a count of
its own, Q = 0 < P and D is infinite, and such a range is never taken. Bins with P = 0 count neither in Q nor in D.

The bin of 0 gets its neighbours' count: a Relu's exact zeros are exact on every grid, and their spike, spread over its level,
would favour ranges that are far too short.

Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017; onnxruntime.quantization and POT do the same. Deviations: LEVELS
is that of the 8-bit type and not 128; about STEPS candidates in place of every bin; one-sided values have all levels on their
side. Degenerate: an empty range returns itself; values in fewer bins than LEVELS keep their whole range.
"""

from __future__ import annotations

import numpy as np

from app.engine.calibration.observers import TensorStatistics

LEVELS = 255
STEPS = 128


def entropy_range(statistics: TensorStatistics) -> tuple[float, float]:
    """
    Raises:
        ValueError: the statistics have no histogram (a programming error).
    """
    histogram = statistics.histogram
    if histogram is None:
        raise ValueError("the entropy estimator needs a histogram")
    low, high = min(statistics.minimum, 0.0), max(statistics.maximum, 0.0)
    if low == high:
        return low, high
    counts = _without_spike_at_zero(histogram.counts)
    middle = len(counts) // 2
    width = histogram.half_width / middle
    below, above = (min(middle, int(np.ceil(end / width))) for end in (-low, high))
    longest = max(below, above)
    best, least = longest, np.inf
    for kept in range(LEVELS if min(below, above) == 0 else LEVELS // 2, longest + 1, max(1, (longest - LEVELS) // STEPS)):
        divergence = _divergence(counts[middle - below : middle + above], max(0, below - kept), max(0, above - kept))
        if divergence < least:
            best, least = kept, divergence
    if _divergence(counts[middle - below : middle + above], 0, 0) <= least:
        best = longest
    return max(low, -best * width), min(high, best * width)


def _without_spike_at_zero(counts: np.ndarray) -> np.ndarray:
    middle = len(counts) // 2
    flat = counts.astype(np.float64)
    flat[middle] = min(flat[middle], max(flat[middle - 1], flat[middle + 1]))
    return flat


def _divergence(counts: np.ndarray, cut_below: int, cut_above: int) -> float:
    """D of P and Q when so many bins at each end lie outside the range."""
    inside = counts[cut_below : len(counts) - cut_above]
    reference = inside.copy()
    reference[0] += counts[:cut_below].sum()
    reference[-1] += counts[len(counts) - cut_above :].sum()
    present = reference > 0
    level = np.arange(len(inside)) * LEVELS // len(inside)
    per_level = np.bincount(level, weights=inside, minlength=LEVELS)
    bins_per_level = np.bincount(level, weights=present, minlength=LEVELS)
    quantized = (per_level / np.maximum(bins_per_level, 1))[level][present]
    if not len(quantized) or (quantized <= 0).any():
        return np.inf
    p, q = reference[present] / reference.sum(), quantized / quantized.sum()
    return float(np.sum(p * np.log(p / q)))
