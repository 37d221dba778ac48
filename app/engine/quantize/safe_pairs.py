"""Weights whose pairs of products fit 16 bits: what "7 bits" are good for, at a fraction of their price.

Limiting every weight to 64 steps halves the resolution of the whole layer. But only the sum of a *pair* is cut off, and two
largest weights seldom stand side by side with one sign: it is enough that no pair is too large.

| symbol | meaning | shape |
| --- | --- | --- |
| w | weights in the kernel's order | (C, K) |
| p | pairs (w[2k], w[2k+1]) | (C, P, 2) |
| b | max over pairs of the sum of positive parts, of negative parts | (C,) |
| s | scale per output channel for 8 bits | (C,) |

    s' = max(s, b / (LARGEST_PAIR - 1))

Then b / s' <= 127, and rounding to nearest adds at most half a step to each of two: no pair passes 128 steps, and 128 * 255 =
32640 fits. Rounding that moves weights further (rounding.py) is followed by `tame_pairs`, which takes the excess from both.

Nearest rounding, min/max ranges, 12 photographs, dB of the outputs, 8 bits / 64 steps / safe pairs: EfficientNet-Lite0 20.4 /
13.4 / 19.0, MobileNet-v2 27.2 / 11.6 / 19.0; 8 bits on an emulated Haswell: 7.4 and 19.1.

Degenerate inputs: an odd K ends with half a pair; depthwise layers keep their scales (saturation.py).
"""

from __future__ import annotations

import numpy as np

from app.engine.quantize.layers import Layer
from app.engine.quantize.saturation import from_kernel_pairs, kernel_pairs, never_saturates, pairs_of

LARGEST_PAIR = 128
"""Steps, of one sign: 128 * 255 = 32640 fits 16 bits, 129 * 255 does not."""


def safe_scales(layer: Layer, scales: np.ndarray) -> np.ndarray:
    """(C,) or () float32, no smaller than `scales` of the same shape."""
    if never_saturates(layer):
        return scales
    return np.asarray(_enlarged(kernel_pairs(layer, layer.rows), scales), np.float32)


def safe_row_scales(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The same for plain rows (C, K) in the kernel's order."""
    return np.asarray(_enlarged(pairs_of(rows), scales), np.float32)


def tame_pairs(layer: Layer, rows_q: np.ndarray) -> np.ndarray:
    """(C, K) int8 with no pair beyond LARGEST_PAIR steps of one sign: its excess is taken from both."""
    if never_saturates(layer):
        return rows_q
    pairs = kernel_pairs(layer, rows_q).astype(np.int32)  # (C, P, 2)
    same_sign = np.sign(pairs[..., 0]) == np.sign(pairs[..., 1])
    excess = np.where(same_sign, np.maximum(np.abs(pairs).sum(axis=2) - LARGEST_PAIR, 0), 0)  # (C, P)
    taken = np.stack([(excess + 1) // 2, excess // 2], axis=2)
    return np.asarray(from_kernel_pairs(layer, pairs - np.sign(pairs) * taken), np.int8)


def _enlarged(pairs: np.ndarray, scales: np.ndarray) -> np.ndarray:
    sums = np.maximum(np.maximum(pairs, 0).sum(axis=-1), np.maximum(-pairs, 0).sum(axis=-1))  # (C, P)
    wanted = sums.max(axis=-1) / (LARGEST_PAIR - 1)
    return np.asarray(np.maximum(scales, wanted if np.ndim(scales) else wanted.max()))
