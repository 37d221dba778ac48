from __future__ import annotations

import numpy as np

from tests.support.rewriting import assert_same_function, assert_untouched, graph_of, node, operators, rewritten


def constants(channels):
    rng = np.random.default_rng(0)
    named = {name: rng.normal(size=channels).astype(np.float32) for name in ("s", "t", "m")}
    return {**named, "v": rng.uniform(0.1, 2, channels).astype(np.float32)}


NORMALIZE = node("BatchNormalization", ["a", "s", "t", "m", "v"], "b", epsilon=1e-3)


def test_a_normalization_between_concat_and_relu_is_a_depthwise_convolution():
    nodes = [node("Sigmoid", ["x"], "half"), node("Concat", ["x", "half"], "a", axis=1), NORMALIZE, node("Relu", ["b"], "y")]
    model = graph_of(nodes, constants(8), (2, 4, 5, 3))
    after, _ = rewritten(model)
    assert operators(after) == {"Sigmoid": 1, "Concat": 1, "Conv": 1, "Relu": 1}
    assert_same_function(model, after)


def test_normalized_vectors_and_inputs_stay():
    vectors = [node("Sigmoid", ["x"], "a"), NORMALIZE, node("Relu", ["b"], "y")]
    assert_untouched(graph_of(vectors, constants(4), (2, 4)))
    inputs = [node("BatchNormalization", ["x", "s", "t", "m", "v"], "a"), node("Relu", ["a"], "y")]
    assert_untouched(graph_of(inputs, constants(4), (2, 4, 5, 3)))


def test_what_a_layer_takes_in_is_not_made_a_convolution():
    rng = np.random.default_rng(1)
    nodes = [
        node("Relu", ["x"], "a"),
        NORMALIZE,
        node("Conv", ["b", "w"], "y"),
    ]
    model = graph_of(nodes, {**constants(4), "w": rng.normal(size=(5, 4, 1, 1)).astype(np.float32)}, (2, 4, 5, 3))
    after, _ = rewritten(model)
    assert operators(after) == {"Relu": 1, "Conv": 1}
    assert_same_function(model, after)
