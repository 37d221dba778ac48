"""Preprocessing: image -> input tensor, as a value that can be stored, compared and exported.

Geometry (decode, colour, resize, crop) gives 8-bit pixels and is done once per sample;
the affine step `x = (pixel - mean) / divide_by` in units of 0..255 is done per batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Resize = Literal["shorter-side", "stretch", "none"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Colour = Literal["RGB", "BGR", "GRAY"]
Layout = Literal["NCHW", "NHWC"]


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
