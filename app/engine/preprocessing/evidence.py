"""How well a preprocessing suits a model, from the probabilities the model gives on a few samples.

With labels: the mean log-probability of the label. It says more per sample than counting hits (a wrong colour order often costs
confidence long before it costs a hit), so few samples are enough to drop the hopeless; hits decide between the last ones.

Without labels: the mutual information between sample and class,

    I = H(mean_i p_i) - mean_i H(p_i)    [nats]

high when the model is sure about each sample and says different things about different ones. Mean confidence alone is fooled by
inputs in a wrong range, for which networks are often sure of one class whatever they see.
Source: Bridle, Heading, MacKay, "Unsupervised classifiers, mutual information and phantom targets", NIPS 1991.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FLOOR = 0.1
"""A label's probability counts at least this part of chance (1 / classes): one absurd miss must not outweigh ten hits."""
CLEAR_Z = 2.0
"""Standard errors between two candidates to call one better: about 95 %."""
TINY = 1e-12


@dataclass(frozen=True)
class Evidence:
    """Of one candidate on the first `tried` samples."""

    probabilities: np.ndarray
    """(tried, classes) float32"""
    positions: np.ndarray
    """(tried,) int: where the label stands among the classes, -1 without a label."""

    @property
    def tried(self) -> int:
        return len(self.positions)

    @property
    def labelled(self) -> np.ndarray:
        return self.positions >= 0

    def first(self, count: int) -> Evidence:
        return Evidence(self.probabilities[:count], self.positions[:count])

    @property
    def hits(self) -> np.ndarray:
        """(tried,) bool: the first of the largest probabilities stands at the label."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.positions)

    @property
    def matches(self) -> int:
        return int(self.hits.sum())

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max(axis=1).mean())

    @property
    def log_likelihoods(self) -> np.ndarray:
        """(labelled samples,) float64"""
        chosen = np.flatnonzero(self.labelled)
        of_label = self.probabilities[chosen, self.positions[chosen]].astype(np.float64)
        return np.asarray(np.log(np.maximum(of_label, FLOOR / self.probabilities.shape[1])))

    @property
    def score(self) -> float:
        """Nats, larger is better: mean log-likelihood with labels, mutual information without."""
        if self.labelled.any():
            return float(self.log_likelihoods.mean())
        return _entropy(self.probabilities.mean(axis=0)) - float(np.mean([_entropy(p) for p in self.probabilities]))

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts candidates seen on the same samples: hits, then score."""
        return self.matches, self.score


def _entropy(probabilities: np.ndarray) -> float:
    p = probabilities.astype(np.float64)
    return float(-(p * np.log(np.maximum(p, TINY))).sum())


def lead(better: Evidence, other: Evidence) -> float:
    """Standard errors by which the label is more likely under `better`, over the labelled samples both have seen.

    Infinite when every sample gains the same, 0 when nothing differs.
    """
    common = min(better.tried, other.tried)
    gain = better.first(common).log_likelihoods - other.first(common).log_likelihoods
    if not gain.any():
        return 0.0
    spread = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return math.copysign(math.inf, float(gain.mean())) if spread == 0 else float(gain.mean()) / spread
