"""The accuracy-aware search against a model of the world: groups with known harm, a limit on their sum."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from app.engine.accuracy_aware.search import Trial, ask, choose, most_trials
from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.tasks.results import Evaluation

EVALUATION = Evaluation(100, 100, 90, 95, 100, None, None, None, None, 1.0)


def trial(number, k, missed_by):
    state = "missed" if missed_by > 0 else "kept"
    return Trial(number, tuple(f"g{i}" for i in range(k)), EVALUATION, LimitVerdict(state, 1.0, max(0.0, missed_by)), 1000)


def search(missed_by, groups):
    """Run ask/tell to its end; `missed_by(k)` says how far k groups in float miss the limit (<= 0: kept)."""
    trials = []
    while (k := ask(trials, groups)) is not None:
        assert k not in {len(done.kept_in_float) for done in trials}, "asked twice"
        trials.append(trial(len(trials) + 1, k, missed_by(k)))
    return trials


@given(st.lists(st.floats(0, 10), min_size=1, max_size=80), st.floats(0, 100))
def test_finds_the_fewest_groups_when_less_harm_is_less_drop(harms, limit):
    harms = sorted(harms, reverse=True)
    trials = search(lambda k: sum(harms[k:]) - limit, len(harms))
    fewest = next(k for k in range(len(harms) + 1) if sum(harms[k:]) - limit <= 0)
    assert len(choose(trials).kept_in_float) == fewest
    assert choose(trials).kept
    assert len(trials) <= most_trials(len(harms)) <= 3 + 2 * math.log2(2 * len(harms))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=40))
def test_ends_and_never_hands_over_a_miss_when_it_saw_a_hit(missed_by):
    """Accuracy need not fall step by step: whatever the curve, the choice is the best trial seen."""
    trials = search(lambda k: missed_by[k], len(missed_by) - 1)
    chosen = choose(trials)
    assert chosen.kept == any(done.kept for done in trials)
    if not chosen.kept:
        assert chosen.limit.missed_by_points == min(done.limit.missed_by_points for done in trials)


def test_replaying_the_journal_asks_the_same_next_question():
    trials = search(lambda k: 5 - k, 16)
    for length in range(len(trials)):
        assert ask(trials[:length], 16) == len(trials[length].kept_in_float)


def test_everything_inside_the_limit_at_once_costs_one_trial():
    assert [len(done.kept_in_float) for done in search(lambda _: -1.0, 50)] == [0]
