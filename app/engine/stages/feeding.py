"""Prepared pixels -> batches as a model's input wants them, for the stages that run a graph over chosen samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.engine.stages.pixel_file import PixelFile


def batches(
    pixels: PixelFile, numbers: Sequence[int], preprocessing: Preprocessing, model: onnx.ModelProto
) -> Iterator[np.ndarray]:
    """Input tensors of the model's own batch size, 1 when it is free; the last one repeats its last sample to be full."""
    (value,) = model.graph.input
    size = value.type.tensor_type.shape.dim[0].dim_value or 1
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    for start in range(0, len(numbers), size):
        chosen = list(numbers[start : start + size])
        chosen += [chosen[-1]] * (size - len(chosen))
        rows = np.concatenate([pixels[number : number + 1] for number in chosen])
        yield normalize(rows, preprocessing, dtype)
