"""Affine quantization: real numbers on an integer grid, as ONNX QuantizeLinear and DequantizeLinear define it.

| symbol | meaning | shape | dtype |
| --- | --- | --- | --- |
| x | real values | any | float32 |
| s | scale > 0 | () or (C,) | float32 |
| z | zero point, qmin <= z <= qmax | () or (C,) | that of x_q |
| x_q | quantized values | as x | uint8, int8 |
| x_dq | dequantized values | as x | float32 |

    x_q  = saturate(round_half_even(x / s) + z)        x_dq = (x_q - z) s

From a range [a, b] that always includes 0 (so that padding and ReLU's 0 are exact):

    asymmetric        s = (b - a) / (qmax - qmin),      z = round(qmin - a / s)
    symmetric int8    s = max(|a|, |b|) / 127,          z = 0
    symmetric uint8   s = b / 255, z = 0 when a = 0;    else s = max(|a|, |b|) / 127, z = 128

Source: ONNX operators QuantizeLinear, DequantizeLinear (opset 13 and later); Jacob et al., arXiv 1712.05877, eq. 1.
Degenerate inputs: a range of width 0 gives s = 1 (every value of the tensor is 0); a range so small that s would vanish gives
s = MIN_SCALE; NaN or infinite ranges and a > b are refused; NaN in x has no defined result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

MIN_SCALE = 1e-30
"""Smaller scales make x / s overflow and float32 denormals, which some kernels flush to 0."""
QuantizedType = Literal["uint8", "int8"]


@dataclass(frozen=True)
class QParams:
    """Scale and zero point of one tensor; arrays of shape () for per_tensor, (C,) along `axis` for per_channel."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.scale.shape != self.zero_point.shape or self.scale.ndim != (0 if self.axis is None else 1):
            raise ValueError(f"scale {self.scale.shape} and zero point {self.zero_point.shape} do not fit axis {self.axis}")

    def along(self, ndim: int) -> tuple[np.ndarray, np.ndarray]:
        """(scale, zero_point) shaped to broadcast with a tensor of `ndim` axes."""
        if self.axis is None:
            return self.scale, self.zero_point
        shape = [1] * ndim
        shape[self.axis] = len(self.scale)  # (C,) -> (1, C, 1, 1)
        return self.scale.reshape(shape), self.zero_point.reshape(shape)


def compute_qparams(
    range_min: np.ndarray | float,
    range_max: np.ndarray | float,
    dtype: QuantizedType,
    *,
    symmetric: bool,
    axis: int | None = None,
) -> QParams:
    """Scale and zero point for a range.

    Args:
        range_min: () or (C,) float, the smallest value; taken as 0 when positive.
        range_max: () or (C,) float, the largest value; taken as 0 when negative.
        axis: Of the channels for (C,) ranges.

    Raises:
        ValueError: NaN or infinity in a range, or range_min > range_max.
    """
    low, high = np.asarray(range_min, np.float64), np.asarray(range_max, np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(f"a range needs finite range_min <= range_max, but is {range_min} to {range_max}")
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    limits = np.iinfo(dtype)
    if symmetric:
        one_sided = (low == 0) & (limits.min == 0)
        steps = np.where(one_sided, limits.max, 127)
        scale = _as_scale(np.maximum(-low, high) / steps)
        zero_point = np.where(one_sided | (limits.min < 0), 0, 128)
    else:
        scale = _as_scale((high - low) / (limits.max - limits.min))
        zero_point = np.clip(np.rint(limits.min - low / scale), limits.min, limits.max)
    return QParams(scale, np.asarray(zero_point, dtype), axis)


def _as_scale(wanted: np.ndarray) -> np.ndarray:
    """float32, never so small that dividing by it overflows; 1 for a range of width 0."""
    return np.asarray(np.where(wanted == 0, 1.0, np.maximum(wanted, MIN_SCALE)), np.float32)


def quantize(x: np.ndarray, q: QParams) -> np.ndarray:
    """x_q of x (float32, any shape), saturated, halves rounded to even: bit for bit what onnxruntime's QuantizeLinear gives."""
    scale, zero_point = q.along(x.ndim)
    limits = np.iinfo(zero_point.dtype)
    shifted = np.rint(np.asarray(x, np.float32) / scale) + zero_point.astype(np.float32)
    return np.asarray(np.clip(shifted, limits.min, limits.max), zero_point.dtype)


def dequantize(x_q: np.ndarray, q: QParams) -> np.ndarray:
    """x_dq float32 of x_q (uint8 or int8, any shape)."""
    scale, zero_point = q.along(x_q.ndim)
    steps = x_q.astype(np.int32) - zero_point.astype(np.int32)
    return np.asarray(steps.astype(np.float32) * scale, np.float32)


def fake_quantize(x: np.ndarray, q: QParams) -> np.ndarray:
    """x rounded to the grid and back: what a Q/DQ pair makes of it."""
    return dequantize(quantize(x, q), q)
