"""Which groups go back to float next? Ask/tell over recorded trials.

The article's loop (POT's AccuracyAwareQuantization): quantize everything, compare with FP32; while the drop is outside the
limit, put the most harmful groups back to float and compare again. Deviation: not one group per comparison but 1, 2, 4, …
of the ranking until a trial is inside the limit, then bisection for the fewest, so that G groups cost about 2 log2 G
comparisons instead of G.

    ranking  groups by falling harm, length G
    k        how many of the ranking stay in float; a trial is judged for one k
    fail     largest k known to miss the limit (-1: none)
    hit      smallest k known to keep it (none: not known)

The state is the list of trials alone: a restart replays it, a repeated k is never asked twice. More groups in float do
not *guarantee* less drop; whatever happens, the answer is the passing trial with the fewest groups in float, or, when none
passes, the one with the smallest drop. k = G is FP32 itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.tasks.results import Evaluation


@dataclass(frozen=True)
class Trial:
    """One candidate, evaluated on the whole validation set."""

    number: int
    """From 1."""
    kept_in_float: tuple[str, ...]
    """Node names, in the ranking's order."""
    evaluation: Evaluation
    limit: LimitVerdict
    size_bytes: int

    @property
    def kept(self) -> bool:
        return self.limit.state != "missed"


def ask(trials: Sequence[Trial], groups: int) -> int | None:
    """The next k to try, or None when the search is over."""
    if not trials:
        return 0
    hits = [len(trial.kept_in_float) for trial in trials if trial.kept]
    if not hits:
        largest = max(len(trial.kept_in_float) for trial in trials)
        return None if largest >= groups else min(groups, max(1, 2 * largest))
    hit = min(hits)
    fail = max((len(trial.kept_in_float) for trial in trials if not trial.kept and len(trial.kept_in_float) < hit), default=-1)
    return None if hit - fail <= 1 else (fail + hit) // 2


def choose(trials: Sequence[Trial]) -> Trial:
    """The trial to hand over: inside the limit with the fewest groups in float, else the smallest drop."""
    kept = [trial for trial in trials if trial.kept]
    if kept:
        return min(kept, key=lambda trial: (len(trial.kept_in_float), trial.number))
    return min(trials, key=lambda trial: (trial.limit.missed_by_points, len(trial.kept_in_float)))


def most_trials(groups: int) -> int:
    """Upper bound of comparisons for G groups: doubling up, then bisecting."""
    return 1 + 2 * max(groups, 1).bit_length()
