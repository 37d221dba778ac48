"""Finds how images become inputs: a staged search that drops the hopeless on few samples and compares the last ones on all.

| stage | candidates | samples |
| --- | --- | --- |
| coarse | colour order x value range, usual geometry, every label offset for free | 4, then 12 |
| promising | the best 4 | 24 |
| resize | other geometries of the best 2 that differ in colour or range | 24 |
| interpolation | bicubic for the best 2 | 24 |
| final | the best 3, the usual geometry, the best 2 that differ from the first in colour or range | all |

The order of stages, candidates and samples is fixed; a time limit only decides how far the search gets. A stage that was cut
short does not count: candidates are compared on samples that all of them have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from app.engine.preprocessing.board import Board, Decided, Trial
from app.engine.preprocessing.candidates import (
    ImageInput,
    coarse_candidates,
    distinct,
    nearly_same_values,
    other_interpolations,
    other_resizes,
    usualness,
)
from app.engine.preprocessing.pipeline import Preprocessing

Scorer = Callable[[Preprocessing, Sequence[int]], np.ndarray]
"""(candidate, positions in the sample list) -> probabilities (len, classes) float32."""

COARSE_SAMPLES = (4, 12)
PROMISING, PROMISING_SAMPLES = 4, 24
REFINED = 2
FINALISTS, RIVALS = 3, 2
CHECK_STEP = 8
"""Samples between two looks at the clock while a single preprocessing is checked."""


@dataclass(frozen=True)
class Outcome:
    trials: tuple[Trial, ...]
    """The chosen one first, then by how far each got and how good it was."""
    decided: Decided


class OutOfTimeError(Exception):
    """Ends the search; what was completed counts."""


class PreflightSearch:
    """One search. `run` looks for the best preprocessing, `check` only looks at a given one.

    Args:
        score: Runs the model.
        labels: (n,) int64 labels of the samples in the order they are used, -1 without a label; n >= 1.
        offsets: Label offsets for which every label has a place in the scores, the most usual first.
        out_of_time: Asked before each call of the scorer but the first.
        on_done: Called with (inferences done, how many were planned).
    """

    def __init__(
        self,
        score: Scorer,
        labels: np.ndarray,
        offsets: Sequence[int],
        *,
        out_of_time: Callable[[], bool] = lambda: False,
        on_done: Callable[[int, int], None] = lambda _done, _planned: None,
    ) -> None:
        self._score, self._n = score, len(labels)
        self._out_of_time, self._on_done = out_of_time, on_done
        self._board = Board(labels, offsets)
        self._compared: list[Preprocessing] = []
        self._common = 0
        """Samples that every one of `_compared` has seen."""
        self._done, self._planned = 0, 0

    def run(self, image: ImageInput, *, same_size: bool = False) -> Outcome:
        """The best of the usual ways; `same_size`: every image of the dataset has the input's size already."""
        coarse = coarse_candidates(image, same_size=same_size)
        self._planned = self._plan(len(coarse), len(other_resizes(coarse[0])), len(other_interpolations(coarse[0])))
        with suppress(OutOfTimeError):  # the last completed stage stands
            self._search(coarse)
        chosen = self._board.choose(self._compared or self._board.candidates, self._common or COARSE_SAMPLES[0])
        decided = self._board.decided(chosen)
        if decided == "clear" and not self._compared:  # out of time before every way was seen once
            decided = "close"
        return Outcome(self._board.trials(chosen), decided)

    def check(self, p: Preprocessing) -> Outcome:
        self._planned = self._n
        with suppress(OutOfTimeError):  # what was seen so far is shown
            for count in range(CHECK_STEP, self._n + CHECK_STEP, CHECK_STEP):
                self._compare([p], count)
        self._board.settle_label_offset()
        return Outcome(self._board.trials(p), "by-hand")

    def _search(self, coarse: list[Preprocessing]) -> None:
        for count in COARSE_SAMPLES:
            self._compare(coarse, count)
            self._board.settle_label_offset()
        self._compare(self._best(PROMISING), PROMISING_SAMPLES)
        resized = [other for p in distinct(self._best(PROMISING))[:REFINED] for other in other_resizes(p)]
        self._compare([*self._compared, *resized], PROMISING_SAMPLES)
        sharpened = [other for p in self._best(REFINED) for other in other_interpolations(p)]
        self._compare([*self._compared, *sharpened], PROMISING_SAMPLES)
        ranked = self._best(len(self._compared))
        usual = min((p for p in ranked if nearly_same_values(p, ranked[0])), key=usualness)
        rivals = [p for p in ranked if not nearly_same_values(p, ranked[0])]
        self._compare([*ranked[:FINALISTS], usual, *rivals[:RIVALS]], self._n)

    def _best(self, count: int) -> list[Preprocessing]:
        return self._board.ranked(self._compared, self._common)[:count]

    def _compare(self, candidates: list[Preprocessing], count: int) -> None:
        """Shows every candidate the first `count` samples; only then they are what `_best` chooses from."""
        candidates, count = list(dict.fromkeys(candidates)), min(count, self._n)
        for p in candidates:
            self._show(p, count)
        self._compared, self._common = candidates, count

    def _show(self, p: Preprocessing, count: int) -> None:
        start = self._board.tried(p)
        if start >= count:
            return
        if self._done and self._out_of_time():
            raise OutOfTimeError
        self._board.add(p, self._score(p, range(start, count)))
        self._done += count - start
        self._on_done(self._done, max(self._planned, self._done))

    def _plan(self, coarse: int, resizes: int, interpolations: int) -> int:
        """Inferences of a full search, within a few: what a progress bar needs."""
        few, some = (min(count, self._n) for count in (COARSE_SAMPLES[-1], PROMISING_SAMPLES))
        promising, refined = min(PROMISING, coarse), min(REFINED, coarse)
        final = (self._n - some) * min(FINALISTS + RIVALS + 1, coarse + resizes + interpolations)
        return coarse * few + promising * (some - few) + refined * (resizes + interpolations) * some + final
