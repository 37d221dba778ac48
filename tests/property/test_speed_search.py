"""The search against a world of known costs: a chain of nodes, borders that cost, races with noise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.intervals import Interval
from app.engine.quantize.speed.regions import Region
from app.engine.quantize.speed.search import MOST_CANDIDATES, REGION_LINE, Choice, search

LAYOUTS = ("wide", "flat")


@dataclass
class Duel:
    speedup: Interval
    held_ms: float
    challenger_ms: float


@dataclass
class World:
    float_us: list[float]
    int8_us: list[float]
    border_us: float
    layout_factors: dict[str, float]
    proposals: list[tuple[int, int]]
    noise: float = 0.0
    races: int = 0

    def build(self, choice):
        kept = sorted(name for name in choice.keep_float if name.startswith("n"))
        return None if len(kept) == len(self.float_us) else json.dumps([kept, sorted(choice.layouts)]).encode()

    def propose(self, _choice):
        spans = [(min(pair), max(pair)) for pair in self.proposals]
        return [Region(tuple(f"n{i}" for i in range(low, high + 1)), 1.0) for low, high in spans]

    def cost(self, file):
        kept, layouts = json.loads(file)
        sides = [False, *(f"n{i}" in kept for i in range(len(self.float_us))), False]
        kernels = sum(f if side else q for f, q, side in zip(self.float_us, self.int8_us, sides[1:-1], strict=True))
        total = kernels + self.border_us * sum(one != other for one, other in pairwise(sides))
        for layout in layouts:
            total *= self.layout_factors[layout]
        return total

    def race(self, held, challenger, _line):
        self.races += 1
        one, other = self.cost(held), self.cost(challenger)
        ratio = one / other
        return Duel(Interval(ratio, ratio * (1 - self.noise), ratio * (1 + self.noise)), one, other)


COST = st.floats(1, 100)


@st.composite
def worlds(draw):
    length = draw(st.integers(1, 8))
    several = st.lists(COST, min_size=length, max_size=length)
    end = st.integers(0, length - 1)
    return World(
        draw(several),
        draw(several),
        draw(st.floats(0, 50)),
        {name: draw(st.floats(0.5, 2)) for name in LAYOUTS},
        draw(st.lists(st.tuples(end, end), max_size=20)),
        draw(st.floats(0, 0.1)),
    )


@given(worlds())
def test_the_outcome_is_never_slower_than_the_start_and_says_what_was_measured(world):
    start = Choice({"other": "a rule"})
    found = search(world, start, LAYOUTS, world.race)
    assert found is not None
    assert found.file == world.build(found.choice)
    assert world.cost(found.file) <= world.cost(world.build(start))
    assert found.choice.keep_float["other"] == "a rule"
    taken = [move for move in found.moves if move.taken]
    assert {name for move in taken for name in move.nodes} == set(found.choice.keep_float) - {"other"}
    assert {move.name for move in taken if not move.nodes} == set(found.choice.layouts)
    assert all(move.speedup.low > (REGION_LINE if move.nodes else 1.0) for move in taken)
    assert world.races == len(found.moves) <= len(LAYOUTS) + MOST_CANDIDATES


@given(worlds(), st.data())
def test_the_best_of_the_proposed_regions_or_a_better_set_is_found_without_noise(world, data):
    world.noise = 0.0
    world.layout_factors = dict.fromkeys(LAYOUTS, 1.0)
    found = search(world, Choice(), LAYOUTS, world.race)
    assert found is not None
    if len(world.proposals) <= MOST_CANDIDATES:
        start = world.cost(world.build(Choice()))
        alone = [world.build(Choice(dict.fromkeys(region.nodes, ""))) for region in world.propose(None)[:1]]
        first = [world.cost(file) for file in alone if file is not None]
        assert world.cost(found.file) <= min([start, *(cost for cost in first if start / cost > REGION_LINE)])


@given(worlds(), st.integers(0, 5))
def test_no_race_begins_when_time_is_up(world, allowed):
    found = search(world, Choice(), LAYOUTS, world.race, go_on=lambda: world.races < allowed)
    assert found is not None
    assert len(found.moves) <= allowed


def test_reasons_carry_the_race():
    world = World([10.0] * 4, [5.0, 40.0, 40.0, 5.0], 2.0, dict.fromkeys(LAYOUTS, 1.0), [(1, 2)])
    found = search(world, Choice(), LAYOUTS, world.race)
    assert found is not None
    words = "slower in INT8 here: the file takes 90 ms, 34 ms with its region of 2 nodes in float"
    assert found.choice.keep_float == {"n1": words, "n2": words}
    assert [move.name for move in found.moves if move.taken] == ["n1 … n2 in float (2 nodes)"]


def test_a_model_without_int8_has_nothing_to_search():
    world = World([1.0], [1.0], 0.0, dict.fromkeys(LAYOUTS, 1.0), [])
    assert search(world, Choice({"n0": "a rule"}), LAYOUTS, world.race) is None
