from __future__ import annotations

import numpy as np
import pytest

from tests.support.rewriting import assert_same_function, assert_untouched, graph_of, node, operators, rewritten

SHAPE = (1, 4, 3, 3)
SIXTH = {"three": 3, "zero": 0, "six": 6, "sixth": 1 / 6}
GATE = [node("Add", ["x", "three"], "shifted"), node("Clip", ["shifted", "zero", "six"], "gate")]
SWISH = {
    "scaled behind": [*GATE, node("Mul", ["x", "gate"], "product"), node("Mul", ["product", "sixth"], "y")],
    "divided behind": [*GATE, node("Mul", ["gate", "x"], "product"), node("Div", ["product", "six"], "y")],
    "scaled in front": [*GATE, node("Mul", ["sixth", "x"], "part"), node("Mul", ["part", "gate"], "y")],
    "divided in front": [*GATE, node("Div", ["x", "six"], "part"), node("Mul", ["gate", "part"], "y")],
    "gate scaled": [*GATE, node("Mul", ["gate", "sixth"], "sigmoid"), node("Mul", ["x", "sigmoid"], "y")],
    "gate divided": [*GATE, node("Div", ["gate", "six"], "sigmoid"), node("Mul", ["sigmoid", "x"], "y")],
    "constant first": [
        node("Add", ["three", "x"], "shifted"),
        node("Clip", ["shifted", "zero", "six"], "gate"),
        node("Mul", ["gate", "x"], "product"),
        node("Mul", ["sixth", "product"], "y"),
    ],
}


@pytest.mark.parametrize("spelling", SWISH.values(), ids=SWISH)
def test_every_spelling_of_hard_swish_becomes_two_nodes(spelling):
    model = graph_of(spelling, SIXTH, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {"HardSigmoid": 1, "Mul": 1}
    assert_same_function(model, after)


@pytest.mark.parametrize("seed", range(5))
def test_other_limits_and_offsets(seed):
    limit, offset = np.random.default_rng(seed).uniform(0.5, 8, 2).tolist()
    constants = {"b": offset, "zero": 0, "c": limit}
    nodes = [
        node("Add", ["x", "b"], "shifted"),
        node("Clip", ["shifted", "zero", "c"], "gate"),
        node("Div", ["gate", "c"], "y"),
    ]
    model = graph_of(nodes, constants, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {"HardSigmoid": 1}
    assert_same_function(model, after, seed=seed)


def test_a_sixth_kept_in_half_precision_is_a_sixth():
    constants = {**SIXTH, "sixth": np.asarray(np.float16(1 / 6), np.float32)}
    after, _ = rewritten(graph_of(SWISH["scaled in front"], constants, SHAPE))
    assert operators(after) == {"HardSigmoid": 1, "Mul": 1}


@pytest.mark.parametrize(
    "change",
    [{"sixth": 1 / 5}, {"zero": -1}, {"three": np.full((1, 4, 1, 1), 3, np.float32)}],
    ids=["factor", "limit", "offsets"],
)
def test_what_only_looks_like_it_stays(change):
    assert_untouched(graph_of(SWISH["scaled behind"], {**SIXTH, **change}, SHAPE))


@pytest.mark.parametrize("inner", ["shifted", "gate", "product"])
def test_a_step_that_is_read_elsewhere_stays(inner):
    assert_untouched(graph_of(SWISH["scaled behind"], SIXTH, SHAPE, outputs=("y", inner)))


def test_x_may_be_read_elsewhere():
    model = graph_of([*SWISH["scaled behind"], node("Sigmoid", ["x"], "other")], SIXTH, SHAPE, outputs=("y", "other"))
    after, _ = rewritten(model)
    assert operators(after) == {"HardSigmoid": 1, "Mul": 1, "Sigmoid": 1}
    assert_same_function(model, after)
