"""Preprocessing: image -> input tensor, as a value that can be stored, compared and exported.

Geometry (colour, resize, crop) gives 8-bit pixels and is done once per sample;
the affine step `x = (pixel - mean) / divide_by` in units of 0..255 is done per batch.

    shorter-side   s = max(shorter_side, height, width); image (w, h) -> (W, H), W = max(s, round(w s / min(w, h))), H likewise;
                   crop of (width, height) at ((W - width) // 2, (H - height) // 2)
    stretch        image -> (width, height)
    none           the image has that size already

Resizing is Pillow's, which widens the filter when it shrinks (antialiasing), as torchvision does on PIL images.
EXIF orientation is not applied: the usual evaluation scripts do not either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from app.errors import WorkbenchError

Resize = Literal["shorter-side", "stretch", "none"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Colour = Literal["RGB", "BGR", "GRAY"]
Layout = Literal["NCHW", "NHWC"]

MAX_ASPECT_RATIO = 100
"""A longer strip would take gigabytes once its shorter side is 256 pixels."""
RESAMPLING = {name: Image.Resampling[name.upper()] for name in get_args(Interpolation)}


@dataclass(frozen=True)
class Preprocessing:
    height: int
    width: int
    resize: Resize = "shorter-side"
    shorter_side: int = 256
    """Only for `shorter-side`: the shorter side becomes max(this, height, width) pixels, then the centre is cropped."""
    interpolation: Interpolation = "bilinear"
    colour: Colour = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Per channel in the model's colour order, in units of 0..255."""
    divide_by: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: Layout = "NCHW"

    @property
    def channels(self) -> int:
        return 1 if self.colour == "GRAY" else 3


def geometry(image: Image.Image, p: Preprocessing) -> np.ndarray:
    """Colour order, size and crop of one decoded image: (height, width, channels) uint8.

    Raises:
        WorkbenchError: `preprocessing.aspect_ratio` for a strip, `preprocessing.size_mismatch` for `none` and another size.
    """
    converted = image.convert("L" if p.colour == "GRAY" else "RGB")
    pixels = np.asarray(_resize_and_crop(converted, p), np.uint8).reshape(p.height, p.width, p.channels)
    return np.ascontiguousarray(pixels[:, :, ::-1]) if p.colour == "BGR" else pixels


def _resize_and_crop(image: Image.Image, p: Preprocessing) -> Image.Image:
    if p.resize == "none":
        return _require_size(image, p)
    if p.resize == "stretch":
        return image.resize((p.width, p.height), RESAMPLING[p.interpolation])
    width, height = resized_size(image.size, p)
    left, top = (width - p.width) // 2, (height - p.height) // 2
    resized = image.resize((width, height), RESAMPLING[p.interpolation])
    return resized.crop((left, top, left + p.width, top + p.height))


def resized_size(size: tuple[int, int], p: Preprocessing) -> tuple[int, int]:
    """(width, height) after the shorter side was set and before the crop.

    Raises:
        WorkbenchError: `preprocessing.aspect_ratio`.
    """
    short, (width, height) = max(p.shorter_side, p.height, p.width), size
    if max(size) > MAX_ASPECT_RATIO * min(size):
        raise WorkbenchError(
            "preprocessing.aspect_ratio",
            f"An image may be at most {MAX_ASPECT_RATIO} times longer than wide, but this one has {width} × {height} pixels.",
            hint="Remove the image from the dataset, or stretch images to the input size.",
        )
    scale = short / min(size)
    return max(short, round(width * scale)), max(short, round(height * scale))


def _require_size(image: Image.Image, p: Preprocessing) -> Image.Image:
    if image.size != (p.width, p.height):
        wanted, found = f"{p.width} × {p.height}", f"{image.width} × {image.height}"
        raise WorkbenchError(
            "preprocessing.size_mismatch",
            f"Without resizing every image must have {wanted} pixels, but this one has {found}.",
            where="resize",
            hint="Choose “shorter side” or “stretch”.",
        )
    return image


def normalize(pixels: np.ndarray, p: Preprocessing, dtype: str | np.dtype = "float32") -> np.ndarray:
    """The model's input from 8-bit pixels.

    A pixel has 256 possible values, so each channel is looked up in a table that was computed in float64 and rounded once.

    Args:
        pixels: (N, height, width, channels) uint8 from `geometry`.
        dtype: Of the model's input. Integer types are rounded half to even and saturated.

    Returns:
        (N, channels, height, width) for NCHW, (N, height, width, channels) for NHWC; C-contiguous.
    """
    table = input_values(p, np.dtype(dtype))
    n, height, width, channels = pixels.shape
    if p.layout == "NHWC":
        x = np.empty((n, height, width, channels), table.dtype)
        planes = np.moveaxis(x, -1, 1)
    else:
        x = planes = np.empty((n, channels, height, width), table.dtype)
    for channel in range(channels):
        planes[:, channel] = table[channel][pixels[..., channel]]
    return x


def input_values(p: Preprocessing, dtype: np.dtype) -> np.ndarray:
    """(channels, 256) of `dtype`: what each 8-bit value of each channel becomes."""
    mean, divide_by = np.array(p.mean, np.float64)[:, None], np.array(p.divide_by, np.float64)[:, None]
    values = (np.arange(256.0) - mean) / divide_by
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return values.astype(dtype)
