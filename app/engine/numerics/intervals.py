"""Values with their 95 % interval, and the paired comparisons that make them."""

from __future__ import annotations

from dataclasses import dataclass


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
