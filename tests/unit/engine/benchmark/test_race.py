"""Races on a clock that the sessions move themselves."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.benchmark.race import LOOKS_APART, MIN_ROUNDS, race


class Track:
    """A runtime whose sessions take the seconds that a generator says; the model's bytes name it."""

    def __init__(self, **seconds):
        self.now, self.runs, self.seconds = 0.0, dict.fromkeys(seconds, 0), seconds

    def open(self, model, *, threads, **_options):
        assert threads == 1
        return Session(self, model.decode())

    def clock(self):
        return self.now


class Session:
    def __init__(self, track, name):
        self._track, self._name = track, name

    def run(self, _feeds):
        self._track.runs[self._name] += 1
        self._track.now += next(self._track.seconds[self._name])
        return []


def always(seconds, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    while True:
        yield seconds * (1 + noise * random.standard_normal())


def result(track, **options):
    return race(track, b"held", b"new", [{}], clock=track.clock, **options)


def test_a_clear_race_is_short():
    track = Track(held=always(0.010, 0.01), new=always(0.008, 0.01, 1))
    found = result(track, seconds=60.0)
    assert found.speedup.value == pytest.approx(1.25, rel=0.02)
    assert found.speedup.low > 1.2
    assert found.held_ms == pytest.approx(10, rel=0.02)
    assert found.challenger_ms == pytest.approx(8, rel=0.02)
    assert track.now < 2 * MIN_ROUNDS * 0.1


def test_equal_files_are_seldom_told_apart():
    """Chance decides one look in 20; with two looks in a row, not much more often over a whole race."""
    told_apart = 0
    for seed in range(60):
        track = Track(held=always(0.010, 0.02, 2 * seed), new=always(0.010, 0.02, 2 * seed + 1))
        speedup = result(track, seconds=2.0).speedup
        told_apart += not speedup.low <= 1.0 <= speedup.high
    assert told_apart <= 9


def test_a_race_that_nobody_wins_ends_when_time_is_up():
    track = Track(held=always(0.010), new=always(0.010))
    found = result(track, seconds=5.0)
    assert 5.0 <= track.now <= 5.0 * LOOKS_APART + 1
    assert found.speedup.value == 1.0


def test_the_line_is_what_matters():
    """1.005 times as fast is clearly faster, and clearly not 1.01 times as fast."""
    seconds = {"held": 0.01005, "new": 0.010}
    found = result(Track(**{name: always(value) for name, value in seconds.items()}), line=1.01)
    assert 1.0 < found.speedup.low <= found.speedup.high < 1.01


def test_a_race_without_a_line_takes_its_time():
    track = Track(held=always(0.010), new=always(0.005))
    result(track, line=None, seconds=3.0)
    assert track.now >= 3.0


def test_large_files_still_run_enough_rounds():
    track = Track(held=always(5.0), new=always(4.0))
    found = result(track, seconds=2.0)
    assert track.runs["new"] >= MIN_ROUNDS
    assert found.speedup.value == pytest.approx(1.25)
