"""What a preflight has seen so far, and what follows from it: the ranking, the label offset, the choice and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.engine.preprocessing.candidates import nearly_same_values, usualness
from app.engine.preprocessing.evidence import CLEAR_Z, Evidence, lead
from app.engine.preprocessing.pipeline import Preprocessing

Decided = Literal["clear", "close", "guess", "by-hand"]

EQUAL_MATCHES = 1
"""Candidates at most this many hits apart are equals: then likelihoods decide."""
USUAL_MATCHES, USUAL_Z, USUAL_INFORMATION = 2, 1.5, 0.05
"""Hits, standard errors of the likelihood, and nats without labels, that do not count against the more usual of two geometries:
48 samples tell colour and range apart, but hardly one crop from another."""
BETTER_THAN_CHANCE = 2
"""Twice what guessing would hit: below, nothing was found, however far behind the rest is."""


@dataclass(frozen=True)
class Trial:
    preprocessing: Preprocessing
    label_offset: int
    evidence: Evidence


class Board:
    """Probabilities by candidate; every candidate sees the samples in the same order, some see fewer.

    Args:
        labels: (n,) int64, -1 without a label.
        offsets: Label offsets for which every label has a place in the scores, the most usual first.
    """

    def __init__(self, labels: np.ndarray, offsets: Sequence[int]) -> None:
        self._labels, self._offsets = labels, tuple(offsets)
        self._seen: dict[Preprocessing, np.ndarray] = {}
        self.label_offset = self._offsets[0]

    @property
    def candidates(self) -> list[Preprocessing]:
        return list(self._seen)

    def tried(self, p: Preprocessing) -> int:
        return len(self._seen[p]) if p in self._seen else 0

    def add(self, p: Preprocessing, probabilities: np.ndarray) -> None:
        """The next samples of candidate `p`: (samples, classes) float32."""
        self._seen[p] = np.concatenate([self._seen[p], probabilities]) if p in self._seen else probabilities

    def evidence(self, p: Preprocessing, count: int | None = None, offset: int | None = None) -> Evidence:
        """Of the first `count` samples, under the settled label offset or the given one."""
        probabilities = self._seen[p][:count]
        labels = self._labels[: len(probabilities)]
        return Evidence(probabilities, np.where(labels >= 0, labels + (self.label_offset if offset is None else offset), -1))

    def settle_label_offset(self) -> None:
        """The offset under which the best candidate hits most; the more usual one between equals."""
        if self._is_labelled:
            self.label_offset = max(
                self._offsets, key=lambda offset: max(self.evidence(p, offset=offset).rank for p in self._seen)
            )

    @property
    def _is_labelled(self) -> bool:
        return bool((self._labels >= 0).any())

    def ranked(self, candidates: Sequence[Preprocessing], count: int) -> list[Preprocessing]:
        """Best first, by score and not by hits: on few samples it tells more."""
        return sorted(candidates, key=lambda p: -self.evidence(p, count).score)

    def choose(self, candidates: Sequence[Preprocessing], count: int) -> Preprocessing:
        """The best score among those with the most hits (one fewer counts as equal); then, of the candidates that show the
        model the same numbers, the most usual geometry that is not clearly worse."""
        evidence = {p: self.evidence(p, count) for p in candidates}
        most = max(seen.matches for seen in evidence.values())
        tied = [p for p in candidates if evidence[p].matches >= most - EQUAL_MATCHES]
        best = max(tied, key=lambda p: evidence[p].score)
        same = [p for p in candidates if nearly_same_values(p, best) and not _is_worse(evidence[p], evidence[best])]
        return min(same, key=usualness)

    def trials(self, chosen: Preprocessing) -> tuple[Trial, ...]:
        """The chosen one, then the others by how far each got and how good it was, then the chosen with other offsets."""

        def order(p: Preprocessing) -> tuple[bool, int, int, float]:
            evidence = self.evidence(p)
            return p != chosen, -evidence.tried, -evidence.matches, -evidence.score

        trials = [Trial(p, self.label_offset, self.evidence(p)) for p in sorted(self._seen, key=order)]
        others = [offset for offset in self._offsets if offset != self.label_offset and self._is_labelled]
        return (*trials, *(Trial(chosen, offset, self.evidence(chosen, offset=offset)) for offset in others))

    def decided(self, chosen: Preprocessing) -> Decided:
        """Clear when nothing that shows the model other numbers comes near; geometry only fine-tunes."""
        if not self._is_labelled:
            return "guess"
        evidence = self.evidence(chosen)
        rivals = [self.evidence(p) for p in self._seen if not nearly_same_values(p, chosen)]
        found = evidence.matches * evidence.probabilities.shape[1] > BETTER_THAN_CHANCE * evidence.tried
        return "clear" if found and all(lead(evidence, rival) >= CLEAR_Z for rival in rivals) else "close"


def _is_worse(usual: Evidence, best: Evidence) -> bool:
    if not best.labelled.any():
        return best.score - usual.score > USUAL_INFORMATION
    return best.matches - usual.matches > USUAL_MATCHES or lead(best, usual) > USUAL_Z
