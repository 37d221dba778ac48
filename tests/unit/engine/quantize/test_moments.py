"""Moments of a layer's input against numpy over rows gathered one by one; portions and shards change nothing."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.quantize import moments as moments_module
from app.engine.quantize.layers import find_layers
from app.engine.quantize.moments import InputMoments, each_with_moments
from app.engine.runtimes import get_runtime
from tests.support.im2col import rows_of
from tests.support.odd_models.building import conv, model_of, node, normal

RUNTIME = get_runtime("onnxruntime")
CONVOLUTIONS = {
    "1x1": ((5, 4, 1, 1), {}),
    "padded": ((5, 4, 3, 3), {"pads": (1, 1, 1, 1)}),
    "strided": ((5, 4, 3, 3), {"strides": (2, 2), "pads": (0, 0, 1, 1)}),
    "dilated": ((5, 4, 3, 3), {"dilations": (2, 2), "pads": (2, 2, 2, 2)}),
    "grouped": ((6, 2, 3, 3), {"group": 2, "pads": (1, 1, 1, 1)}),
    "depthwise": ((4, 1, 3, 3), {"group": 4, "pads": (1, 1, 1, 1)}),
}


def samples(n: int = 3) -> list[np.ndarray]:
    return [np.random.default_rng(seed).normal(0.3, 1, (1, 4, 8, 8)).astype(np.float32) for seed in range(n)]


def collected(model: onnx.ModelProto, xs: list[np.ndarray], runtime=RUNTIME) -> dict[str, InputMoments | None]:
    for position, each in enumerate(model.graph.node):
        each.name = each.name or f"{each.op_type}_{position}"
    layers = find_layers(model.graph, frozenset(each.name for each in model.graph.node))
    return {layer.node: seen for layer, seen in each_with_moments(runtime, model, layers, xs, seed=0, threads=1)}


def assert_moments(seen: InputMoments | None, rows: np.ndarray) -> None:
    """Of rows (G, n, K)."""
    assert seen is not None
    assert seen.rows == rows.shape[1]
    np.testing.assert_allclose(seen.mean, rows.mean(axis=1), atol=1e-6)
    expected = np.stack([np.cov(group.T, bias=True).reshape(rows.shape[2], -1) for group in rows])
    np.testing.assert_allclose(seen.covariance, expected, atol=1e-5)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_moments_of_a_convolution_are_those_of_its_rows(name):
    """Its input is inside the graph, behind a Relu."""
    shape, attributes = CONVOLUTIONS[name]
    model = model_of(
        [node("Relu", ["x"], "r"), conv("r", "y", "w", name="layer", **{"pads": (0,) * 4, **attributes})], {"w": normal(*shape)}
    )
    xs = samples()
    geometry = {"groups" if key == "group" else key: value for key, value in attributes.items()}
    rows = rows_of(np.maximum(np.concatenate(xs), 0), shape[2:], **geometry)
    assert_moments(collected(model, xs)["layer"], rows)


@pytest.mark.parametrize("transposed", [0, 1])
def test_moments_of_a_product_are_those_of_its_rows(transposed):
    weight = normal(6, 12) if transposed else normal(12, 6)
    model = model_of([node("Gemm", ["x", "w"], "y", name="layer", transB=transposed)], {"w": weight}, shape=("N", 12))
    xs = [np.random.default_rng(seed).normal(size=(2, 12)).astype(np.float32) for seed in range(8)]
    assert_moments(collected(model, xs)["layer"], np.concatenate(xs)[None])


@given(seed=st.integers(0, 1000), split=st.integers(1, 39), groups=st.integers(1, 3), columns=st.integers(1, 6))
def test_merged_moments_are_those_of_the_whole(seed, split, groups, columns):
    rows = np.random.default_rng(seed).normal(2, 1, (groups, 40, columns)).astype(np.float32)
    merged = InputMoments.of(rows[:, :split]).merged(InputMoments.of(rows[:, split:]))
    whole = InputMoments.of(rows)
    assert merged.rows == whole.rows
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(merged.covariance, whole.covariance, atol=1e-5)


class Counting:
    """The real runtime, and how often it opened a model."""

    def __init__(self) -> None:
        self.opened = 0

    def open(self, *args, **options):
        self.opened += 1
        return RUNTIME.open(*args, **options)


def three_layers() -> onnx.ModelProto:
    nodes = [
        conv("x", "a", "w1", name="first"),
        node("Relu", ["a"], "r"),
        conv("r", "b", "w2", name="second"),
        conv("b", "y", "w3", name="third"),
    ]
    return model_of(nodes, {"w1": normal(6, 4, 3, 3), "w2": normal(5, 6, 3, 3), "w3": normal(3, 5, 3, 3)})


def test_portions_under_a_small_budget_take_more_passes_for_the_same_moments(monkeypatch):
    together, one_by_one = Counting(), Counting()
    whole = collected(three_layers(), samples(), together)
    monkeypatch.setattr(moments_module, "MEMORY_BUDGET_BYTES", 1)
    parts = collected(three_layers(), samples(), one_by_one)
    assert (together.opened, one_by_one.opened) == (1, 3)
    assert list(parts) == list(whole)
    for name, seen in whole.items():
        np.testing.assert_array_equal(parts[name].products, seen.products)
        np.testing.assert_array_equal(parts[name].sums, seen.sums)


def test_layers_too_wide_for_a_matrix_have_no_moments(monkeypatch):
    monkeypatch.setattr(moments_module, "LARGEST_COLUMNS", 5 * 9)
    found = collected(three_layers(), samples())
    assert [name for name, seen in found.items() if seen is None] == ["second"]


def test_a_transposed_convolution_has_no_moments():
    model = model_of([node("ConvTranspose", ["x", "w"], "y", name="up", strides=[2, 2])], {"w": normal(4, 3, 2, 2)})
    assert collected(model, samples()) == {"up": None}
