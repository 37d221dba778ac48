"""The images of a preflight: decoded once, resized once per geometry, previewed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from app.engine.preprocessing.pipeline import Colour, Preprocessing
from app.engine.stages.prepare import sample_pixels
from app.engine.stages.samples import Samples

DECODED_BYTES = 256 * 2**20
"""Decoded images beyond this are decoded again when they are needed: 48 photographs of 24 megapixels would take 3.5 GB."""
PREVIEW_SIDE = 320
PREVIEW_QUALITY = 85


class PreflightImages:
    """Pixels of the samples `numbers`, by position in that list; safe to use from several threads."""

    def __init__(self, samples: Samples, numbers: Sequence[int]) -> None:
        self._samples, self.numbers = samples, tuple(numbers)
        self._decoded: dict[int, Image.Image] = {}
        self._decoded_bytes = 0
        self._pixels: dict[tuple[int, Preprocessing], np.ndarray] = {}
        self._lock = threading.Lock()

    def pixels(self, position: int, p: Preprocessing) -> np.ndarray:
        """(height, width, channels) uint8 as `geometry` gives them. Two threads may both compute one: the same result."""
        colour: Colour = "GRAY" if p.colour == "GRAY" else "RGB"
        key = (position, replace(p, colour=colour, mean=(), divide_by=(), layout="NCHW"))  # only what decides the pixels
        if key not in self._pixels:
            self._pixels[key] = sample_pixels(self._image(position), key[1], self._name(position))
        pixels = self._pixels[key]
        return pixels[:, :, ::-1] if p.colour == "BGR" else pixels

    def write_preview(self, position: int, path: Path) -> None:
        """A small JPEG, encoded anew: nothing of the uploaded file's bytes reaches a browser."""
        image = self._image(position).convert("RGB")
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        image.save(path, "JPEG", quality=PREVIEW_QUALITY)

    def _name(self, position: int) -> str:
        return self._samples[self.numbers[position]].name

    def _image(self, position: int) -> Image.Image:
        image = self._decoded.get(position)
        if image is None:
            image = self._samples.decode(self.numbers[position])
            size_bytes = image.width * image.height * len(image.getbands())
            with self._lock:
                if position not in self._decoded and self._decoded_bytes + size_bytes <= DECODED_BYTES:
                    self._decoded[position] = image
                    self._decoded_bytes += size_bytes
        return image
