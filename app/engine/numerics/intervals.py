"""Values with their 95 % interval, and the paired comparisons that make them.

| function | method | source |
| --- | --- | --- |
| `wilson_interval` | Wilson score of k right in n | Wilson, JASA 22 (1927) 209-212 |
| `paired_drop` | Tango score of the paired difference | Tango, Statistics in Medicine 17 (1998) 891-908, §3 |
| | exact two-sided McNemar | binomial(1/2) on the discordant pairs |
| `bootstrap_ratio` | percentile bootstrap over paired rounds | Efron, Annals of Statistics 7 (1979) 1-26 |

Why Tango and not Newcombe's hybrid (his method 10): a good INT8 model often changes no verdict at all, and there the hybrid
shrinks to nothing (correlation 1), as if 100 images had proved the two equal. Tango's interval is then +-z^2 / (n + z^2):
3.7 points for n = 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""
BOOTSTRAP_DRAWS = 2000
_BISECTIONS = 60
"""Halvings of [-1, 1]: the limit is exact to float64 afterwards."""


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % confidence interval, all in the same unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDrop:
    """How many points of accuracy a candidate loses against a reference on the same samples.

    drop = 100 (lost - gained) / n, positive when the candidate is worse.
    """

    n: int
    lost: int
    """Samples the reference had right and the candidate has wrong."""
    gained: int
    points: Interval
    p_value: float
    """Exact two-sided McNemar (binomial on the discordant pairs)."""


def wilson_interval(correct: int, n: int) -> Interval:
    """The fraction correct / n with its Wilson score interval; never empty, never outside 0..1.

    Raises:
        ValueError: n < 1, or correct outside 0..n.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"a fraction needs 0 <= correct <= n and n >= 1, but correct is {correct} and n is {n}")
    p, z2 = correct / n, Z_95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return Interval(p, low, high)


def paired_drop(reference_correct: np.ndarray, candidate_correct: np.ndarray) -> PairedDrop:
    """Points of accuracy lost between two verdicts on the same samples.

    Args:
        reference_correct: (n,) bool, n >= 1.
        candidate_correct: (n,) bool, the same samples in the same order.

    Raises:
        ValueError: shapes differ or no sample is given.
    """
    if reference_correct.shape != candidate_correct.shape or reference_correct.ndim != 1:
        raise ValueError(
            f"verdicts must be two equal (n,) arrays, but are {reference_correct.shape}, {candidate_correct.shape}"
        )
    reference, candidate = reference_correct.astype(bool), candidate_correct.astype(bool)
    lost, gained = int((reference & ~candidate).sum()), int((~reference & candidate).sum())
    return drop_from_counts(len(reference), lost, gained)


def drop_from_counts(n: int, lost: int, gained: int) -> PairedDrop:
    """As `paired_drop`, from the counts of the two kinds of changed verdicts.

    Raises:
        ValueError: negative counts, lost + gained > n, or n < 1.
    """
    if n < 1 or lost < 0 or gained < 0 or lost + gained > n:
        raise ValueError(f"lost + gained must lie in 0..n with n >= 1, but they are {lost} + {gained} of {n}")
    low, high = _tango_limits(n, lost, gained)
    points = Interval(100 * (lost - gained) / n, 100 * low, 100 * high)
    return PairedDrop(n, lost, gained, points, mcnemar_exact(lost, gained))


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided p: 2 P(X <= min(lost, gained)), X ~ Binomial(lost + gained, 1/2), at most 1; 1 without discordant pairs."""
    m, term, tail = lost + gained, 1, 0
    for k in range(min(lost, gained) + 1):
        tail += term  # binomial coefficient (m over k), exact integers
        term = term * (m - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << m))


def _tango_limits(n: int, b: int, c: int) -> tuple[float, float]:
    """The differences d = p12 - p21 that a score test at 5 % does not reject, b and c samples in the discordant cells."""
    value = (b - c) / n

    def last_accepted(outside: float) -> float:
        return _bisect(lambda d: abs(_tango_score(n, b, c, d)) <= Z_95, value, outside)

    return last_accepted(-1.0), last_accepted(1.0)


def _tango_score(n: int, b: int, c: int, d: float) -> float:
    """z of H0: p12 - p21 = d; the variance uses p21's maximum likelihood estimate under H0 (Tango 1998)."""
    linear = (2 * n - b + c) * d - b - c
    root = math.sqrt(max(0.0, linear * linear + 8 * n * c * d * (1 - d)))
    p21 = max((root - linear) / (4 * n), 0.0, -d)
    variance = n * (2 * p21 + d * (1 - d))
    excess = b - c - n * d
    if variance <= 0:  # only at d = -1, 0, 1, where H0 leaves nothing to chance
        return 0.0 if excess == 0 else math.copysign(math.inf, excess)
    return excess / math.sqrt(variance)


def _bisect(accepted: Callable[[float], bool], inside: float, outside: float) -> float:
    if accepted(outside):
        return outside
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if accepted(middle) else (inside, middle)
    return inside


def bootstrap_ratio(reference: np.ndarray, other: np.ndarray, seed: int = 0) -> Interval:
    """median(reference) / median(other) with its 95 % interval, rounds resampled in pairs.

    Args:
        reference: (rounds,) float, positive, e.g. seconds per inference of each round.
        other: (rounds,) float, positive, measured in the same rounds.
        seed: Of the resampling.

    Raises:
        ValueError: shapes differ, or no round is given. One round gives an interval without width.
    """
    if reference.shape != other.shape or reference.ndim != 1 or len(reference) == 0:
        raise ValueError(f"rounds must be two equal (rounds,) arrays, but are {reference.shape}, {other.shape}")
    pick = np.random.default_rng(seed).integers(0, len(reference), (BOOTSTRAP_DRAWS, len(reference)))
    ratios = np.median(reference[pick], axis=1) / np.median(other[pick], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(float(np.median(reference) / np.median(other)), float(low), float(high))
