"""Rows of a layer's input as its weights see them: im2col at random positions.

    x        input of the layer                     (N, C, H, W) or (…, K)
    rows     (n, K) for dense layers; per group (G, n, K/G) for grouped convolutions

K = C_in/groups kH kW in the order of the weight's rows.
"""

from __future__ import annotations

import numpy as np

from app.engine.quantize.layers import Layer

POSITIONS = 4096


def sample_rows(layer: Layer, x: np.ndarray, rng: np.random.Generator, positions: int = POSITIONS) -> np.ndarray:
    """(groups, n, K) float32, n <= positions; padding is the zeros that the layer sees."""
    if layer.op_type == "Conv":
        return _convolution_rows(layer, x, rng, positions)
    rows = x.reshape(-1, x.shape[-1]) if not layer.attributes.get("transA", 0) else x.T.reshape(-1, x.shape[0])
    if len(rows) > positions:
        rows = rows[rng.choice(len(rows), positions, replace=False)]
    return rows[None]


def _convolution_rows(layer: Layer, x: np.ndarray, rng: np.random.Generator, positions: int) -> np.ndarray:
    spatial = x.ndim - 2
    kernel = layer.weight.shape[2:]
    strides = _ints(layer, "strides", [1] * spatial)
    dilations = _ints(layer, "dilations", [1] * spatial)
    pads = _pads(layer, x.shape[2:], kernel, strides, dilations)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:spatial], pads[spatial:], strict=True)])
    extent = [dilation * (size - 1) + 1 for dilation, size in zip(dilations, kernel, strict=True)]
    counts = [(full - window) // stride + 1 for full, window, stride in zip(padded.shape[2:], extent, strides, strict=True)]
    total = len(x) * int(np.prod(counts))
    chosen = np.arange(total) if total <= positions else rng.choice(total, positions, replace=False)
    sample, *place = np.unravel_index(chosen, (len(x), *counts))
    # index of every kernel tap for every chosen position: (n, kH, kW) per axis
    taps = np.meshgrid(*[np.arange(size) * dilation for size, dilation in zip(kernel, dilations, strict=True)], indexing="ij")
    axes = [(start * stride).reshape(-1, *[1] * spatial) + tap for start, stride, tap in zip(place, strides, taps, strict=True)]
    picked = padded[sample.reshape(-1, *[1] * spatial), :, *axes]  # (n, kH, kW, C)
    picked = np.moveaxis(picked, -1, 1)  # (n, C, kH, kW)
    grouped = picked.reshape(len(chosen), layer.groups, -1)  # (n, G, C/G kH kW)
    return np.ascontiguousarray(np.moveaxis(grouped, 1, 0))


def _ints(layer: Layer, name: str, default: list[int]) -> list[int]:
    value = layer.attributes.get(name)
    return [int(v) for v in value] if isinstance(value, list | tuple) else default


def _pads(layer: Layer, size: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]) -> list[int]:
    """Begins, then ends; auto_pad as the ONNX operator Conv defines it."""
    mode = layer.attributes.get("auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    spatial = len(size)
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        begins, ends = [], []
        for full, window, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
            outputs = -(-full // stride)
            needed = max(0, (outputs - 1) * stride + dilation * (window - 1) + 1 - full)
            small, large = needed // 2, needed - needed // 2
            begins.append(small if mode == "SAME_UPPER" else large)
            ends.append(large if mode == "SAME_UPPER" else small)
        return begins + ends
    return _ints(layer, "pads", [0] * 2 * spatial)
