"""Prepared pixels -> batches as a model's input wants them. Shared by the stages that run a model over samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from app.engine.preprocessing.pipeline import Preprocessing, normalize


def fixed_batch(shape: Sequence[int | str | None]) -> int | None:
    """The batch size a model insists on, or None when it is free."""
    return shape[0] if shape and isinstance(shape[0], int) else None


def batches(
    pixels: np.ndarray, numbers: Sequence[int], preprocessing: Preprocessing, batch: int, dtype: str = "float32"
) -> Iterator[np.ndarray]:
    """Input tensors of `batch` samples each; the last one repeats its last sample to be full."""
    for start in range(0, len(numbers), batch):
        chosen = list(numbers[start : start + batch])
        chosen += [chosen[-1]] * (batch - len(chosen))
        yield normalize(np.asarray(pixels[chosen]), preprocessing).astype(dtype, copy=False)
