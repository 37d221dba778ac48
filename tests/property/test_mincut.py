"""The minimum cut against all labellings of small graphs."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.engine.quantize.speed.mincut import minimize_labels

COSTS = st.integers(0, 9).map(float)


@st.composite
def problems(draw):
    count = draw(st.integers(1, 7))
    a = draw(st.lists(COSTS | st.just(np.inf), min_size=count, max_size=count))
    b = draw(st.lists(COSTS, min_size=count, max_size=count))
    node = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(node, node, COSTS), max_size=12))
    return a, b, pairs


def energy(labels, a, b, pairs):
    return sum(b[i] if label else a[i] for i, label in enumerate(labels)) + sum(
        c for i, j, c in pairs if labels[i] != labels[j]
    )


@given(problems())
def test_no_labelling_costs_less_and_none_as_cheap_has_fewer_ones(problem):
    a, _, _ = problem
    found = minimize_labels(*problem)
    everything = [(energy(labels, *problem), sum(labels)) for labels in itertools.product((False, True), repeat=len(a))]
    assert (energy(found, *problem), sum(found)) == min(everything)
