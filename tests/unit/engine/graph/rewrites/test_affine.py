"""Constants beside a layer move into it: random layers, random constants, the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.rewriting import assert_same_function, assert_untouched, graph_of, node, operators, rewritten

SPACE = (2, 4, 5, 6)


def weights(rng, *shape):
    return rng.normal(0, 0.5, shape).astype(np.float32)


def layer(kind, rng, x, y):
    """(node from value x to value y, its constants, shape of x, channels of y); the values have the names given."""
    if kind == "Conv":
        return (
            node("Conv", [x, "w", "b"], y, pads=[1, 1, 0, 1]),
            {"w": weights(rng, 6, 4, 3, 3), "b": weights(rng, 6)},
            SPACE,
            6,
        )
    if kind == "Conv without bias":
        return node("Conv", [x, "w"], y), {"w": weights(rng, 6, 4, 3, 3)}, SPACE, 6
    if kind == "grouped Conv":
        return node("Conv", [x, "w"], y, group=2, pads=[1] * 4), {"w": weights(rng, 6, 2, 3, 3)}, SPACE, 6
    if kind == "ConvTranspose":
        return node("ConvTranspose", [x, "w", "b"], y), {"w": weights(rng, 4, 6, 2, 2), "b": weights(rng, 6)}, SPACE, 6
    if kind == "grouped ConvTranspose":
        return node("ConvTranspose", [x, "w"], y, group=2, strides=[2, 2]), {"w": weights(rng, 4, 3, 2, 2)}, SPACE, 6
    if kind == "Gemm":
        attributes = {"alpha": 0.7, "beta": 1.5}
        return node("Gemm", [x, "w", "b"], y, **attributes), {"w": weights(rng, 4, 6), "b": weights(rng, 1, 6)}, (3, 4), 6
    if kind == "transposed Gemm":
        return node("Gemm", [x, "w"], y, transB=1), {"w": weights(rng, 6, 4)}, (3, 4), 6
    return node("MatMul", [x, "w"], y), {"w": weights(rng, 4, 6)}, (2, 3, 4), 6


LAYERS = (
    "Conv",
    "Conv without bias",
    "grouped Conv",
    "ConvTranspose",
    "grouped ConvTranspose",
    "Gemm",
    "transposed Gemm",
    "MatMul",
)
PADDED = ("Conv", "grouped Conv")


def per_channel(rng, channels, kind, shape):
    """Constants away from 0, along the axis of channels."""
    values = (rng.uniform(0.5, 2, channels) * rng.choice([-1, 1], channels)).astype(np.float32)
    if len(shape) == 2 or kind == "MatMul":
        return values
    return values.reshape(-1, 1, 1)


def behind(kind, op, rng, *, swapped=False, scalar=False):
    entry, constants, shape, channels = layer(kind, rng, "x", "inner")
    constants["k"] = np.float32(1.7) if scalar else per_channel(rng, channels, kind, shape)
    return graph_of([entry, node(op, ["k", "inner"] if swapped else ["inner", "k"], "y")], constants, shape)


def before(kind, op, rng, *, scalar=False):
    entry, constants, shape, _ = layer(kind, rng, "inner", "y")
    constants["k"] = np.float32(1.7) if scalar else per_channel(rng, 4, kind, shape)
    return graph_of([node(op, ["x", "k"], "inner"), entry], constants, shape)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("op", ["Mul", "Div"])
@pytest.mark.parametrize("scalar", [True, False])
def test_a_factor_goes_into_the_weights(kind, op, scalar):
    for number, place in enumerate((behind, before)):
        model = place(kind, op, np.random.default_rng(number), scalar=scalar)
        after, _ = rewritten(model)
        assert sum(operators(after).values()) == 1
        assert_same_function(model, after)


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "MatMul"])
@pytest.mark.parametrize(("op", "swapped"), [("Add", False), ("Add", True), ("Sub", False), ("Sub", True)])
def test_an_offset_behind_goes_into_the_bias(kind, op, swapped):
    model = behind(kind, op, np.random.default_rng(1), swapped=swapped)
    after, _ = rewritten(model)
    assert sum(operators(after).values()) == 1
    assert_same_function(model, after)


@pytest.mark.parametrize("kind", ["Conv without bias", "Gemm", "transposed Gemm"])
@pytest.mark.parametrize("op", ["Add", "Sub"])
def test_an_offset_in_front_goes_into_the_bias(kind, op):
    model = before(kind, op, np.random.default_rng(2))
    after, _ = rewritten(model)
    assert sum(operators(after).values()) == 1
    assert_same_function(model, after)


@pytest.mark.parametrize("kind", [*PADDED, "ConvTranspose", "MatMul"])
def test_an_offset_in_front_stays_where_padding_or_overlap_would_see_it(kind):
    assert_untouched(before(kind, "Add", np.random.default_rng(3)))


def test_an_offset_behind_a_matmul_stays():
    assert_untouched(behind("MatMul", "Add", np.random.default_rng(3)))


def batch_norm(rng, channels):
    named = {"s": rng.normal(size=channels), "t": rng.normal(size=channels), "m": rng.normal(size=channels)}
    return {**{name: value.astype(np.float32) for name, value in named.items()}, "v": np.float32(rng.uniform(0.1, 2, channels))}


def test_batch_normalization_behind_a_gemm_and_in_front_of_an_unpadded_convolution():
    rng = np.random.default_rng(4)
    entry, constants, shape, channels = layer("Gemm", rng, "x", "inner")
    normalized = node("BatchNormalization", ["inner", "s", "t", "m", "v"], "y", epsilon=1e-3)
    model = graph_of([entry, normalized], {**constants, **batch_norm(rng, channels)}, shape)
    after, _ = rewritten(model)
    assert operators(after) == {"Gemm": 1}
    assert_same_function(model, after)

    entry, constants, shape, _ = layer("Conv without bias", rng, "inner", "y")
    normalized = node("BatchNormalization", ["x", "s", "t", "m", "v"], "inner")
    model = graph_of([normalized, entry], {**constants, **batch_norm(rng, 4)}, shape)
    after, _ = rewritten(model)
    assert operators(after) == {"Conv": 1}
    assert_same_function(model, after)


def test_a_chain_goes_in_whole():
    rng = np.random.default_rng(5)
    entry, constants, shape, _ = layer("Conv without bias", rng, "b2", "c")
    front = [node("Sub", ["x", "mean"], "b1"), node("Div", ["b1", "std"], "b2")]
    back = [node("Div", ["c", "k"], "d"), node("Sub", ["d", "k"], "e"), node("Mul", ["e", "k"], "y")]
    numbers = {"mean": np.float32([[[1]], [[2]], [[3]], [[4]]]), "std": np.float32(3), "k": 1.3}
    model = graph_of([*front, entry, *back], {**constants, **numbers}, shape)
    after, _ = rewritten(model)
    assert operators(after) == {"Conv": 1}
    assert_same_function(model, after)


@pytest.mark.parametrize("constant", [np.ones((5, 6), np.float32) * np.arange(1, 7, dtype=np.float32), np.float32([0])])
def test_constants_that_differ_along_space_and_division_by_zero_stay(constant):
    entry, constants, _, _ = layer("Conv without bias", np.random.default_rng(6), "inner", "y")
    constants["w"] = np.ascontiguousarray(constants["w"][:, :, :1, :1])
    assert_untouched(graph_of([node("Div", ["x", "k"], "inner"), entry], {**constants, "k": constant}, SPACE))


def test_a_constant_that_widens_the_value_stays():
    entry, constants, _, _ = layer("Conv without bias", np.random.default_rng(6), "inner", "y")
    model = graph_of(
        [node("Mul", ["x", "k"], "inner"), entry], {**constants, "k": np.full((2, 1, 1, 1), 2, np.float32)}, (1, 4, 5, 6)
    )
    assert_untouched(model)


def test_two_layers_behind_one_factor_both_take_it_and_shared_weights_are_not_changed_for_others():
    rng = np.random.default_rng(7)
    constants = {"w": weights(rng, 6, 4, 3, 3), "k": 2.5}
    nodes = [
        node("Mul", ["x", "k"], "scaled"),
        *(node("Conv", [source, "w"], name) for source, name in (("scaled", "y"), ("scaled", "z"), ("x", "plain"))),
    ]
    model = graph_of(nodes, constants, SPACE, outputs=("y", "z", "plain"))
    after, _ = rewritten(model)
    assert operators(after) == {"Conv": 3}
    assert_same_function(model, after)


def test_a_factor_that_someone_else_reads_stays():
    rng = np.random.default_rng(8)
    entry, constants, shape, _ = layer("Conv", rng, "inner", "y")
    nodes = [node("Mul", ["x", "k"], "inner"), entry, node("Relu", ["inner"], "other")]
    assert_untouched(graph_of(nodes, {**constants, "k": 2}, shape, outputs=("y", "other")))


def test_a_factor_that_a_branch_reads_stays():
    rng = np.random.default_rng(9)
    entry, constants, shape, _ = layer("Conv", rng, "inner", "y")
    taken, other = (
        helper.make_graph([node(op, ["inner"], op)], op, [], [onnx.ValueInfoProto(name=op)]) for op in ("Relu", "Neg")
    )
    branch = node("If", ["flag"], "z", then_branch=taken, else_branch=other)
    nodes = [node("Mul", ["x", "k"], "inner"), entry, branch]
    assert_untouched(graph_of(nodes, {**constants, "k": 2, "flag": np.array(True)}, shape, outputs=("y", "z")))


COMPOSITIONS = {
    "GELU": [
        node("Div", ["x", "root"], "va"),
        node("Erf", ["va"], "vb"),
        node("Add", ["vb", "one"], "vc"),
        node("Mul", ["x", "vc"], "vd"),
        node("Mul", ["vd", "half"], "inner"),
    ],
    "normalization": [
        node("ReduceMean", ["x"], "va", axes=[-1]),
        node("Sub", ["x", "va"], "vb"),
        node("Mul", ["vb", "vb"], "vc"),
        node("ReduceMean", ["vc"], "vd", axes=[-1]),
        node("Add", ["vd", "tiny"], "ve"),
        node("Sqrt", ["ve"], "vf"),
        node("Div", ["vb", "vf"], "vg"),
        node("Mul", ["vg", "gamma"], "vh"),
        node("Add", ["vh", "beta"], "inner"),
    ],
}


@pytest.mark.parametrize("nodes", COMPOSITIONS.values(), ids=COMPOSITIONS)
def test_what_the_runtime_fuses_by_its_last_node_keeps_it(nodes):
    rng = np.random.default_rng(10)
    entry, constants, shape, _ = layer("Gemm", rng, "inner", "y")
    numbers = {"root": 2**0.5, "one": 1, "half": 0.5, "tiny": 1e-5, "gamma": weights(rng, 4), "beta": weights(rng, 4)}
    assert_untouched(graph_of([*nodes, entry], {**constants, **numbers}, shape))
