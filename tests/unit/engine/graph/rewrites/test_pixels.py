from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.engine.graph.rewrites import PixelGrid, PixelScale, apply_rewrites, for_integers, pixel_grid
from app.engine.graph.types import infer_types
from tests.support.rewriting import graph_of, node, operators, run

PIXELS = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16).repeat(3, axis=1)
SHAPE = PIXELS.shape
FRONTS = {
    "minus 127.5, over 127.5": ([node("Sub", ["x", "m"], "a"), node("Div", ["a", "m"], "front")], {"m": 127.5}),
    "times 1/127.5, minus 1": ([node("Mul", ["x", "s"], "a"), node("Add", ["a", "t"], "front")], {"s": 1 / 127.5, "t": -1}),
    "over 255, minus a half, over a half": (
        [node("Div", ["x", "full"], "a"), node("Sub", ["a", "half"], "b"), node("Div", ["b", "half"], "front")],
        {"full": 255, "half": 0.5},
    ),
    "per channel, all alike": ([node("Sub", ["x", "m"], "front")], {"m": np.full((1, 3, 1, 1), 99.5, np.float32)}),
}


def network(front, constants, pads=(1, 1, 1, 1), seed=0):
    """Two convolutions read what `front` makes of x."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32) for name in ("w1", "w2")}
    source = front[-1].output[0] if front else "x"
    layers = [
        node("Conv", [source, "w1", "b1"], "c1", pads=pads),
        node("Conv", [source, "w2"], "c2", pads=pads),
        node("Add", ["c1", "c2"], "y"),
    ]
    return graph_of([*front, *layers], {**constants, **weights, "b1": np.ones(4, np.float32)}, SHAPE)


def centered(model, pixels=PixelScale()):  # noqa: B008
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    applied = apply_rewrites(copy, for_integers(pixels))
    onnx.checker.check_model(copy, full_check=True)
    assert all(not rewrite.exact for rewrite in applied)
    return copy, applied


def on_grid(model, grid, pixels=PixelScale()):  # noqa: B008
    """All 256 pixels as the first layers see them, and after rounding to the grid."""
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    del inner.graph.output[:]
    inner.graph.output.append(helper.make_tensor_value_info(grid.value, TensorProto.FLOAT, None))
    x = PIXELS * np.float32(pixels.scale) + np.float32(pixels.offset)
    (value,) = run(inner, x) if grid.value != "x" else (x,)
    codes = np.clip(np.rint(value / np.float32(grid.scale)) + grid.zero_point, 0, 255)
    return value, (codes - grid.zero_point) * np.float32(grid.scale)


@pytest.mark.parametrize(("front", "constants"), FRONTS.values(), ids=FRONTS)
def test_half_pixels_get_an_exact_grid_and_the_inside_of_the_image_stays_the_same(front, constants):
    model = network(front, constants)
    assert pixel_grid(model, PixelScale()) is None
    after, applied = centered(model)
    assert operators(after)["Sub"] == 1
    assert [sorted(rewrite.nodes) for rewrite in applied] == [["c1", "c2", "center_pixels"]]
    grid = pixel_grid(after, PixelScale())
    value, rounded = on_grid(after, grid)
    np.testing.assert_allclose(rounded, value, atol=1e-3 * grid.scale)
    (expected,), (got,) = run(model, PIXELS), run(after, PIXELS)
    np.testing.assert_allclose(got[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_without_padding_it_is_exact_everywhere():
    model = network(*FRONTS["minus 127.5, over 127.5"], pads=(0, 0, 0, 0))
    after, applied = centered(model)
    assert applied
    np.testing.assert_allclose(run(after, PIXELS)[0], run(model, PIXELS)[0], rtol=1e-4, atol=1e-4)


def test_padding_moves_by_half_a_pixel_at_most():
    model = network(*FRONTS["minus 127.5, over 127.5"])
    after, _ = centered(model)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    most = sum(np.abs(weights[name]).sum(axis=(1, 2, 3)).max() for name in ("w1", "w2")) * 0.5 / 127.5
    assert np.abs(run(after, PIXELS)[0] - run(model, PIXELS)[0]).max() <= most


@pytest.mark.parametrize(
    ("pixels", "front", "zero"),
    [
        (PixelScale(1 / 255, 0), "over a half", 127),
        (PixelScale(1 / 127.5, -1.0), "nothing", 127),
        (PixelScale(1 / 128, -127 / 128), "nothing", None),
        (PixelScale(1 / 255, 0), "nothing", None),
    ],
)
def test_what_the_preprocessing_does_before_the_graph_counts(pixels, front, zero):
    """zero: the pixel that becomes 0 after the rewrite; None where the grid is exact without it."""
    nodes = [node("Sub", ["x", "half"], "a"), node("Div", ["a", "half"], "front")] if front == "over a half" else []
    model = network(nodes, {"half": 0.5} if nodes else {})
    after, applied = centered(model, pixels)
    assert bool(applied) == (zero is not None)
    grid = pixel_grid(after, pixels)
    value, rounded = on_grid(after, grid, pixels)
    np.testing.assert_allclose(rounded, value, atol=2e-3 * grid.scale)
    if zero is not None:
        assert grid.zero_point == zero
        x = PIXELS * np.float32(pixels.scale) + np.float32(pixels.offset)
        (expected,), (got,) = run(model, x), run(after, x)
        np.testing.assert_allclose(got[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-4)


def test_pixels_as_they_are_need_nothing():
    model = network([], {})
    assert pixel_grid(model, PixelScale()) == PixelGrid("x", 1.0, 0)
    assert centered(model)[1] == ()


@pytest.mark.parametrize(
    ("front", "constants"),
    [
        ([node("Sub", ["x", "m"], "front")], {"m": np.float32([[[104]], [[117]], [[123.5]]])}),
        ([node("Mul", ["x", "k"], "a"), node("Add", ["a", "m"], "front")], {"k": -1, "m": 127.5}),
        ([node("Sub", ["x", "m"], "front")], {"m": 300.5}),
    ],
    ids=["means per channel", "negative", "beyond the pixels"],
)
def test_no_grid_is_made_up(front, constants):
    model = network(front, constants)
    after, applied = centered(model)
    assert applied == ()
    if constants.get("k") is None and np.size(constants["m"]) == 1:
        assert pixel_grid(after, PixelScale()) is None


def test_a_reader_that_cannot_take_the_shift_keeps_the_front():
    model = network(*FRONTS["minus 127.5, over 127.5"])
    model.graph.node.append(node("Sigmoid", ["front"], "other"))
    model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, SHAPE))
    infer_types(model)
    assert centered(model)[1] == ()


def test_inputs_that_are_no_8_bit_images_are_left_alone():
    assert for_integers(None) == ()
    vectors = graph_of([node("Gemm", ["x", "w"], "y")], {"w": np.ones((3, 2), np.float32)}, (1, 3))
    assert pixel_grid(vectors, PixelScale()) is None
    assert centered(vectors)[1] == ()
