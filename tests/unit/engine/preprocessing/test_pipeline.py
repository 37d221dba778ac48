"""Geometry and normalization against the independent judge's functions and against hand-made pixels."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from app.engine.preprocessing.pipeline import Preprocessing, geometry, normalize, resized_size
from app.engine.preprocessing.presets import PRESETS
from app.errors import WorkbenchError
from tests.support.judge import load_judge
from tests.support.shared import needs_shared

SIZES = [(500, 375), (375, 500), (256, 256), (224, 224), (100, 80), (333, 1000), (31, 47)]
JUDGED = [
    ("torchvision", PRESETS["torchvision"](224, 224, 3, "NCHW")),
    ("efficientnet-lite", PRESETS["efficientnet-lite"](224, 224, 3, "NCHW")),
    ("caffe-bgr", PRESETS["caffe"](227, 227, 3, "NCHW")),
    ("unit", PRESETS["unit"](160, 200, 3, "NCHW")),
    ("raw", PRESETS["raw"](160, 160, 3, "NCHW")),
    ("mobilenet-v2-builtin", Preprocessing(224, 224, colour="BGR")),
]


def picture(size: tuple[int, int], mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Noise of `size` (width, height)."""
    shape = (size[1], size[0], 3)[: 3 if mode == "RGB" else 2]
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    return load_judge()


@needs_shared
@pytest.mark.parametrize(("name", "p"), JUDGED, ids=[name for name, _ in JUDGED])
@pytest.mark.parametrize("size", SIZES)
def test_input_equals_the_judges(judge: ModuleType, name: str, p: Preprocessing, size: tuple[int, int]) -> None:
    image = picture(size)
    oracle = judge.PREPROCESSING[name](image, p.height, p.width).transpose(2, 0, 1)[None].astype(np.float32)
    np.testing.assert_allclose(normalize(geometry(image, p)[None], p), oracle, atol=1e-6, rtol=1e-6)


def test_crop_may_be_narrower_than_high() -> None:
    p = Preprocessing(60, 30, shorter_side=40)
    assert resized_size((120, 100), p) == (72, 60)  # the shorter side is never less than the longer side of the crop
    pixels = geometry(picture((120, 100)), p)
    resized = np.asarray(picture((120, 100)).resize((72, 60), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(pixels, resized[0:60, 21:51])


def test_bgr_is_rgb_backwards() -> None:
    image = picture((40, 40))
    rgb = geometry(image, Preprocessing(20, 20, resize="stretch"))
    bgr = geometry(image, Preprocessing(20, 20, resize="stretch", colour="BGR"))
    np.testing.assert_array_equal(bgr, rgb[:, :, ::-1])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "LA", "YCbCr"])
@pytest.mark.parametrize("colour", ["RGB", "GRAY"])
def test_every_image_mode_becomes_what_the_model_takes(mode: str, colour: str) -> None:
    p = Preprocessing(16, 24, resize="stretch", colour=colour)  # type: ignore[arg-type]
    pixels = geometry(picture((30, 30)).convert("L" if mode == "LA" else "RGB").convert(mode), p)
    assert pixels.shape == (16, 24, 1 if colour == "GRAY" else 3)
    assert pixels.dtype == np.uint8


def test_none_keeps_the_pixels_and_refuses_another_size() -> None:
    p = Preprocessing(20, 30, resize="none")
    np.testing.assert_array_equal(geometry(picture((30, 20)), p), np.asarray(picture((30, 20))))
    with pytest.raises(WorkbenchError) as refused:
        geometry(picture((30, 21)), p)
    assert refused.value.code == "preprocessing.size_mismatch"
    assert "30 × 20" in refused.value.message
    assert "30 × 21" in refused.value.message


def test_strip_is_refused_before_it_takes_gigabytes() -> None:
    with pytest.raises(WorkbenchError) as refused:
        geometry(picture((1, 5000)), Preprocessing(224, 224))
    assert refused.value.code == "preprocessing.aspect_ratio"
    assert geometry(picture((1, 5000)), Preprocessing(224, 224, resize="stretch")).shape == (224, 224, 3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_normalize_is_the_affine_formula(layout: str) -> None:
    p = Preprocessing(4, 5, mean=(1.5, 2.0, 100.0), divide_by=(2.0, 3.0, 50.0), layout=layout)  # type: ignore[arg-type]
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = (pixels - np.array(p.mean)) / np.array(p.divide_by)
    x = normalize(pixels, p)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert x.shape == ((2, 3, 4, 5) if layout == "NCHW" else (2, 4, 5, 3))
    np.testing.assert_array_equal(x, (expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected).astype(np.float32))


def test_integer_inputs_are_rounded_and_saturated() -> None:
    pixels = np.array([[[[0, 127, 255]]]], np.uint8)
    plain = Preprocessing(1, 1, layout="NHWC")
    np.testing.assert_array_equal(normalize(pixels, plain, "uint8"), pixels)
    shifted = Preprocessing(1, 1, mean=(128.0,) * 3, divide_by=(1.0, 1.0, 0.5), layout="NHWC")
    np.testing.assert_array_equal(normalize(pixels, shifted, "int8"), np.array([[[[-128, -1, 127]]]], np.int8))


def test_half_precision_inputs_are_rounded_once() -> None:
    p = PRESETS["torchvision"](2, 2, 3, "NCHW")
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    x = normalize(pixels, p, np.dtype("float16"))
    assert x.dtype == np.float16
    np.testing.assert_allclose(x, normalize(pixels, p), atol=1e-3)
