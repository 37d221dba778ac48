"""Inputs for requests: real samples where there are some, else random numbers of the declared shape.

The time of most networks does not depend on the values, but some do (sorting, box suppression, denormal numbers), so a request
carries real samples if it can, and several different requests take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from app.engine.benchmark.load import Feeds
from app.engine.graph.description import TensorInfo
from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.engine.runtimes.base import Array
from app.errors import WorkbenchError

FeedSource = Callable[[Sequence[TensorInfo], int], Sequence[Feeds]]
"""A model's inputs and the batch size -> requests, at least one."""

DIFFERENT_REQUESTS = 8
"""Enough to vary, few enough that inputs do not set the peak of memory."""
CHANNELS = (1, 3, 4)


def fixed_batch(inputs: Sequence[TensorInfo]) -> int | None:
    """The batch size the model insists on, or None when it is free."""
    first = inputs[0].shape[0] if inputs and inputs[0].shape else None
    return first if isinstance(first, int) else None


def from_pixels(pixels: Array, preprocessing: Preprocessing) -> FeedSource:
    """Requests of real samples.

    Args:
        pixels: (N, height, width, channels) uint8, N >= 1; samples repeat when a batch needs more.

    Raises:
        WorkbenchError: `benchmark.no_samples`; from the source `benchmark.several_inputs`.
    """
    if len(pixels) == 0:
        raise WorkbenchError(
            "benchmark.no_samples",
            "A benchmark on samples needs at least 1, but there are 0.",
            hint="Measure without a dataset, or choose another one.",
        )

    def source(inputs: Sequence[TensorInfo], batch: int) -> Sequence[Feeds]:
        (entry,) = _require_one(inputs)
        numbers = np.arange(min(DIFFERENT_REQUESTS * batch, max(len(pixels), batch))) % len(pixels)
        groups = [numbers[start : start + batch] for start in range(0, len(numbers) - batch + 1, batch)]
        return [{entry.name: normalize(np.asarray(pixels[group]), preprocessing, entry.dtype)} for group in groups]

    return source


def from_shape(height: int | None = None, width: int | None = None, seed: int = 0) -> FeedSource:
    """Requests of random numbers in the shape the model declares; `height` and `width` fill in for dynamic ones.

    Raises:
        WorkbenchError: from the source `benchmark.size_needed`, `benchmark.input_type`.
    """

    def source(inputs: Sequence[TensorInfo], batch: int) -> Sequence[Feeds]:
        random = np.random.default_rng(seed)
        shapes = [_concrete_shape(entry, batch, height, width) for entry in inputs]
        return [
            {entry.name: _random_values(entry, shape, random) for entry, shape in zip(inputs, shapes, strict=True)}
            for _ in range(DIFFERENT_REQUESTS)
        ]

    return source


def _require_one(inputs: Sequence[TensorInfo]) -> Sequence[TensorInfo]:
    if len(inputs) != 1:
        raise WorkbenchError(
            "benchmark.several_inputs",
            f"Samples of a dataset fill one input, but the model has {len(inputs)}.",
            where=", ".join(entry.name for entry in inputs),
            hint="Measure this model without a dataset.",
        )
    return inputs


def _concrete_shape(entry: TensorInfo, batch: int, height: int | None, width: int | None) -> tuple[int, ...]:
    """The declared shape with its free batch, height and width filled in."""
    shape = list(entry.shape)
    if shape and not isinstance(shape[0], int):
        shape[0] = batch
    if len(shape) == 4:
        channels_last = shape[3] in CHANNELS and shape[1] not in CHANNELS
        for axis, size in zip((1, 2) if channels_last else (2, 3), (height, width), strict=True):
            shape[axis] = shape[axis] if isinstance(shape[axis], int) else size
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) != len(shape):
        declared = " × ".join(str("?" if size is None else size) for size in entry.shape)
        raise WorkbenchError(
            "benchmark.size_needed",
            f"To make inputs, every size must be known, but the model declares {declared}.",
            where=entry.name,
            hint="Give height and width, or measure with a dataset.",
        )
    return sizes


def _random_values(entry: TensorInfo, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """0..1 for floats, 0..255 for bytes, 0 and 1 for other integers, which may be indices."""
    if entry.dtype in ("float16", "float32", "float64"):
        return random.random(shape, np.float32).astype(entry.dtype)
    if entry.dtype in ("uint8", "int8"):
        return random.integers(0, 256, shape).astype(entry.dtype)
    if entry.dtype == "bool" or entry.dtype.startswith(("int", "uint")):
        return random.integers(0, 2, shape).astype(entry.dtype)
    raise WorkbenchError(
        "benchmark.input_type",
        f"Inputs can be made for numbers, but this one has type {entry.dtype}.",
        where=entry.name,
        hint="Measure a model with numeric inputs.",
    )
