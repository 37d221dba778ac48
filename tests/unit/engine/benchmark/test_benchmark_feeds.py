from __future__ import annotations

import numpy as np
import pytest

from app.engine.benchmark.feeds import DIFFERENT_REQUESTS, from_pixels, from_shape
from app.engine.graph.description import Dimension, TensorInfo
from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.errors import WorkbenchError

UNIT = Preprocessing(4, 5, resize="stretch", divide_by=(255.0, 255.0, 255.0))
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)


def image_input(*shape: Dimension, dtype: str = "float32") -> tuple[TensorInfo, ...]:
    return (TensorInfo("image", dtype, shape),)


def test_pixels_become_whole_batches_of_normalized_samples_in_order() -> None:
    requests = from_pixels(PIXELS, UNIT)(image_input("N", 3, 4, 5), 2)
    assert [set(request) for request in requests] == [{"image"}]
    np.testing.assert_array_equal(requests[0]["image"], normalize(PIXELS[:2], UNIT))
    singles = from_pixels(PIXELS, UNIT)(image_input("N", 3, 4, 5), 1)
    np.testing.assert_array_equal(np.concatenate([request["image"] for request in singles]), normalize(PIXELS, UNIT))


def test_few_samples_repeat_to_fill_a_batch() -> None:
    (request,) = from_pixels(PIXELS, UNIT)(image_input(8, 3, 4, 5), 8)
    np.testing.assert_array_equal(request["image"], normalize(PIXELS[[0, 1, 2, 0, 1, 2, 0, 1]], UNIT))


def test_many_samples_do_not_make_many_requests() -> None:
    many = np.zeros((1000, 4, 5, 3), np.uint8)
    assert len(from_pixels(many, UNIT)(image_input("N", 3, 4, 5), 8)) == DIFFERENT_REQUESTS


def test_samples_take_the_type_of_the_input() -> None:
    (request, *_) = from_pixels(PIXELS, UNIT)(image_input("N", 3, 4, 5, dtype="float16"), 1)
    assert request["image"].dtype == np.float16


def test_no_samples_and_several_inputs_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="there are 0") as raised:
        from_pixels(PIXELS[:0], UNIT)
    assert raised.value.code == "benchmark.no_samples"
    with pytest.raises(WorkbenchError, match="has 2") as raised:
        from_pixels(PIXELS, UNIT)((*image_input("N", 3, 4, 5), TensorInfo("bias", "float32", ("N", 10))), 1)
    assert (raised.value.code, raised.value.where) == ("benchmark.several_inputs", "image, bias")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (("N", 3, 224, 192), (8, 3, 224, 192)),
        ((None, 3, None, None), (8, 3, 32, 48)),
        (("N", "height", "width", 3), (8, 32, 48, 3)),
        ((2, 3, "h", 40), (2, 3, 32, 40)),
        (("N", 80), (8, 80)),
    ],
)
def test_random_inputs_have_the_declared_shape(declared: tuple[Dimension, ...], expected: tuple[int, ...]) -> None:
    requests = from_shape(height=32, width=48)(image_input(*declared), 8)
    assert {request["image"].shape for request in requests} == {expected}
    assert all(0 <= request["image"].min() <= request["image"].max() <= 1 for request in requests)
    assert not np.array_equal(requests[0]["image"], requests[1]["image"])


def test_random_inputs_are_the_same_every_time() -> None:
    first, second = (from_shape(seed=3)(image_input("N", 4), 2) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])


@pytest.mark.parametrize("declared", [("N", 3, "height", "width"), ("N", "sequence"), ("N", "channels", 4, 4)])
def test_a_size_nobody_knows_is_asked_for(declared: tuple[Dimension, ...]) -> None:
    with pytest.raises(WorkbenchError, match="every size must be known") as raised:
        from_shape()(image_input(*declared), 1)
    assert (raised.value.code, raised.value.where) == ("benchmark.size_needed", "image")


@pytest.mark.parametrize(
    ("dtype", "largest"), [("uint8", 255), ("int64", 1), ("uint16", 1), ("bool", 1), ("float16", 1), ("float64", 1)]
)
def test_random_values_suit_the_type(dtype: str, largest: int) -> None:
    values = from_shape()(image_input("N", 500, dtype=dtype), 2)[0]["image"]
    assert values.dtype == dtype
    assert 0 <= values.min() < values.max() <= largest


def test_text_cannot_be_made_up() -> None:
    with pytest.raises(WorkbenchError, match="type str") as raised:
        from_shape()(image_input("N", dtype="str"), 1)
    assert raised.value.code == "benchmark.input_type"
