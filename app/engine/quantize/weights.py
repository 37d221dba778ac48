"""Weights on an int8 grid, biases on the int32 grid of their products.

| symbol | meaning | shape | dtype |
| --- | --- | --- | --- |
| w | weights, one row per output channel | (C, K) | float32 |
| b | bias | (C,) | float32 |
| s_x | scale of the layer's input | () | float32 |
| s_w | scale per output channel | (C,) | float32 |
| w_q | round(w / s_w), -127..127, zero point 0 | (C, K) | int8 |
| b_q | round(b / (s_x s_w)) | (C,) | int32 |

    s_w[c] = max( max|w[c]| / 127,  |b[c]| / (s_x 2^29),  t / min(s_x, 1) )        t: twice the smallest normal float32

The second term is a correctness rule: a dead channel (weights near 0, bias not) has s_w near 0, its bias then passes 2^31 and
is lost (9 channels of MobileNet-v2; 1.8 dB; accuracy.md §2.1). The third keeps s_w and s_x s_w normal and no more: weights of
1e-12 are weights like others when a later node multiplies them back. A bias must be added in exactly the scale
float32(s_x s_w), or onnxruntime runs the layer in float (placement.md §1, trap 3).

Degenerate inputs: a channel without weights and bias takes the layer's largest scale, which any runtime takes; NaN or infinite
weights are refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.engine.quantize.layers import Layer
from app.errors import WorkbenchError

QMAX = 127
BIAS_LIMIT = 2.0**29
"""A quarter of int32's range: the bias and the sum of products share it."""
SMALLEST_WEIGHT_SCALE = 2 * float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class QuantizedLayer:
    """What replaces a layer's constants in the file."""

    weight_q: np.ndarray
    """int8, in the file's shape."""
    weight_scale: np.ndarray
    """(C,) float32, or () per tensor."""
    axis: int
    bias_q: np.ndarray | None
    """(C,) int32."""
    bias_scale: np.ndarray | None

    @property
    def dequantized_bias(self) -> np.ndarray | None:
        """(C,) float32; None without one."""
        if self.bias_q is None or self.bias_scale is None:
            return None
        return np.asarray(self.bias_q * self.bias_scale.astype(np.float64), np.float32)

    def dequantized_rows(self, layer: Layer) -> np.ndarray:
        """(C, K) float32: the weights that the integer kernel computes with."""
        rows = np.moveaxis(self.weight_q, self.axis, 0).reshape(layer.channels, -1).astype(np.float32)
        return np.asarray(rows * np.broadcast_to(self.weight_scale, (layer.channels,))[:, None], np.float32)


def weight_scales(layer: Layer, input_scale: np.float32, *, per_channel: bool = True) -> np.ndarray:
    """(C,) float32, or () per tensor.

    Raises:
        WorkbenchError: `quantize.not_finite`.
    """
    rows = layer.rows
    bias = layer.bias if layer.bias is not None else np.zeros(layer.channels, np.float32)
    if not (np.isfinite(rows).all() and np.isfinite(bias).all()):
        raise WorkbenchError(
            "quantize.not_finite",
            f"The weights of this {layer.op_type} have NaN or infinite values, so they have no scale.",
            where=layer.node,
            hint="Check the export; the FP32 model gives NaN, too.",
        )
    wanted = np.abs(rows).max(axis=1, initial=0.0).astype(np.float64) / QMAX
    lowest = np.abs(bias) / (np.float64(input_scale) * BIAS_LIMIT)
    smallest = SMALLEST_WEIGHT_SCALE / min(float(input_scale), 1.0)
    scales = np.maximum(np.maximum(wanted, lowest), smallest)
    scales = np.where(scales > smallest, scales, scales.max(initial=smallest))
    return np.asarray(scales if per_channel else scales.max(), np.float32)


def round_to_nearest(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(C, K) int8."""
    steps = rows / np.broadcast_to(scales, (len(rows),))[:, None]
    return np.asarray(np.clip(np.rint(steps), -QMAX, QMAX), np.int8)


def quantized_layer(
    layer: Layer, rows_q: np.ndarray, scales: np.ndarray, bias: np.ndarray | None, input_scale: np.float32
) -> QuantizedLayer:
    """Pack int8 rows (C, K) and a float bias (C,) (None: the layer has none) as the file stores them."""
    bias_q = bias_scale = None
    if bias is not None:
        bias_scale = np.asarray(np.float32(input_scale) * scales, np.float32)
        steps = np.rint(bias.astype(np.float64) / bias_scale.astype(np.float64))
        bias_q = np.clip(steps, -(2**31) + 1, 2**31 - 1).astype(np.int32)
    return QuantizedLayer(layer.from_rows(rows_q), scales, layer.axis, bias_q, bias_scale)
