from __future__ import annotations

import numpy as np
import pytest

from tests.support.rewriting import assert_same_function, assert_untouched, graph_of, node, operators, rewritten

SHAPE = (1, 4, 5, 5)
CONSTANTS = {"zero": 0, "six": 6, "one": 1, "minus": -2}
LIMITED = {
    "Relu6 by Min": ([node("Relu", ["x"], "a"), node("Min", ["six", "a"], "y")], "Clip"),
    "Relu6 by both": ([node("Max", ["x", "zero"], "a"), node("Min", ["a", "six"], "y")], "Clip"),
    "Relu by Max": ([node("Max", ["zero", "x"], "y")], "Relu"),
    "one limit": ([node("Min", ["x", "one"], "y")], "Clip"),
    "three": (
        [node("Clip", ["x", "minus", "six"], "a"), node("Max", ["a", "zero"], "b"), node("Min", ["b", "one"], "y")],
        "Clip",
    ),
    "disjoint": ([node("Clip", ["x", "one", "six"], "a"), node("Min", ["a", "minus"], "y")], "Clip"),
    "open ends": ([node("Clip", ["x", "", "six"], "a"), node("Clip", ["a", "zero"], "y")], "Clip"),
    "Relu twice": ([node("Relu", ["x"], "a"), node("Relu", ["a"], "y")], "Relu"),
}


@pytest.mark.parametrize(("nodes", "kind"), LIMITED.values(), ids=LIMITED)
def test_limits_become_one_node(nodes, kind):
    model = graph_of(nodes, CONSTANTS, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {kind: 1}
    assert_same_function(model, after)


LONE = {
    "Clip": [node("Clip", ["x", "zero", "six"], "y")],
    "two values": [node("Sigmoid", ["x"], "a"), node("Max", ["x", "a"], "y")],
    "limits per channel": [node("Max", ["x", "each"], "y")],
    "widening": [node("Max", ["x", "wide"], "y")],
    "limits the wrong way round": [node("Clip", ["x", "six", "zero"], "a"), node("Clip", ["a", "zero", "six"], "y")],
}


@pytest.mark.parametrize("nodes", LONE.values(), ids=LONE)
def test_others_stay(nodes):
    each = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    assert_untouched(graph_of(nodes, {**CONSTANTS, "each": each, "wide": np.zeros((1, 1, 1, 1, 1), np.float32)}, SHAPE))


def test_a_step_that_is_read_elsewhere_stays():
    nodes = [node("Relu", ["x"], "a"), node("Clip", ["a", "zero", "six"], "y")]
    assert_untouched(graph_of(nodes, CONSTANTS, SHAPE, outputs=("y", "a")))


@pytest.mark.parametrize("slope", [np.float32([0.3]), np.full((4, 1, 1), 0.3, np.float32)])
def test_one_slope_is_a_leaky_relu(slope):
    model = graph_of([node("PRelu", ["x", "slope"], "y")], {"slope": slope}, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {"LeakyRelu": 1}
    assert_same_function(model, after)


def test_a_slope_per_channel_stays():
    slope = np.linspace(0.1, 0.4, 4, dtype=np.float32).reshape(4, 1, 1)
    assert_untouched(graph_of([node("PRelu", ["x", "slope"], "y")], {"slope": slope}, SHAPE))
