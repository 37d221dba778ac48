"""Nearest resizing as two gathers: which input row (column) each output row (column) repeats.

    i      position along an output axis of length M; the input axis has length L, r = M / L (or the given scale)
    x(i)   asymmetric i / r;  half_pixel (i + 1/2) / r - 1/2;  align_corners i (L - 1) / (M - 1);
           pytorch_half_pixel as half_pixel, 0 when M = 1
    index  floor, ceil, or round of x(i) with halves down (round_prefer_floor) or up, limited to 0..L-1

onnxruntime's 8-bit Resize takes 190 us for 64 x 28 x 28 -> 56 x 56 in channels-last layout, two gathers there 40 us: they copy
whole pixels and rows (measured in turns; placement.md §11 had it open).
Source: ONNX operator Resize (opset 11 and later), in float32 as onnxruntime computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
}
COORDINATES = frozenset({"asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"})
REFUSED = frozenset({"antialias", "axes", "keep_aspect_ratio_policy"})


def nearest_indices(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], constant: Callable[[str], np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Row and column indices, int64, of a Resize of (N, C, H, W) by nearest neighbours; None for any other Resize.

    Args:
        shapes: Value name -> sizes, 0 where unknown.
        constant: Value name -> its constant, or None.
    """
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    mode, coordinates, rounding = (
        _text(attributes.get(name, default))
        for name, default in (
            ("mode", "nearest"),
            ("coordinate_transformation_mode", "half_pixel"),
            ("nearest_mode", "round_prefer_floor"),
        )
    )
    if mode != "nearest" or coordinates not in COORDINATES or rounding not in ROUNDING or attributes.keys() & REFUSED:
        return None
    before, after = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
    if len(before) != 4 or len(after) != 4 or before[1] != after[1] or not all((*before[1:], *after[1:])):
        return None
    given = constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    scales = given if given is not None and given.size == 4 else np.divide(after, before)
    sizes = [np.floor(np.multiply(before, scales, dtype=dtype)).tolist() for dtype in (np.float32, np.float64)]
    if scales[0] != 1 or scales[1] != 1 or (given is not None and any(size[1:] != [*after[1:]] for size in sizes)):
        return None  # a scale so near the next size that rounding decides is left to the runtime
    rows, columns = (
        _along(before[axis], after[axis], np.float32(scales[axis]), coordinates, ROUNDING[rounding]) for axis in (2, 3)
    )
    return rows, columns


def _along(
    length: int, resized: int, scale: np.float32, coordinates: str, rounding: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    positions = np.arange(resized, dtype=np.float32)
    half = np.float32(0.5)
    if coordinates == "asymmetric":
        x = positions / scale
    elif coordinates == "align_corners":
        x = positions * np.float32(length - 1) / np.float32(max(resized - 1, 1))
    elif coordinates == "pytorch_half_pixel" and resized == 1:
        x = np.zeros_like(positions)
    else:
        x = (positions + half) / scale - half
    return np.asarray(np.clip(rounding(x), 0, length - 1), np.int64)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
