"""Colours that make the class of a test image decidable: class k is a hue, so a small network can be right about it."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image

NOISE = 12.0
"""Standard deviation of the pixel noise, 0..255."""


def class_colour(label: int, classes: int) -> np.ndarray:
    """(3,) float64 RGB 0..255: hues spread evenly, no two classes alike, none grey (so RGB and BGR differ)."""
    return np.array(colorsys.hsv_to_rgb(label / classes, 0.85, 0.9)) * 255


def class_image(label: int, classes: int, seed: int, size: tuple[int, int] = (40, 48)) -> Image.Image:
    """An RGB image of `size` (height, width): the colour of the class, one brightness per image, noise per pixel."""
    rng = np.random.default_rng((seed, label))
    brightness = rng.uniform(0.85, 1.0)
    pixels = class_colour(label, classes) * brightness + rng.normal(0, NOISE, (*size, 3))
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), "RGB")
