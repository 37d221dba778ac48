"""Rounding of weights that knows what the layer's input looks like (second-moment rounding).

Rounding each weight to the nearest step minimises ||w - w_q||. What matters is the error of the layer's *output* over the
inputs it really sees, (w - w_q)^T H (w - w_q); so each column's rounding error is pushed onto the columns not rounded yet.

| symbol | meaning | shape |
| --- | --- | --- |
| X | rows of the quantized input, centred (im2col patches for Conv) | (n, K) |
| H | X^T X / n + d I, d = DAMPING mean(diag) | (K, K) |
| U | upper Cholesky factor of H^-1, H^-1 = U^T U | (K, K) |
| W | weights, one row per output channel | (C, K) |
| s | scale per output channel | (C, 1) |

    for k in order of falling H_kk:
        q_k = round(w_k / s);   e = (w_k - q_k s) / U_kk;   w_j -= e U_kj  for j > k

All output channels at once; the updates of a block of BLOCK columns are applied to the rest in one product. Centring makes bias
correction part of the method: what rounding does to the mean is the bias' business.

Source: Optimal Brain Quantization (Frantar et al., arXiv 2208.11580), GPTQ (arXiv 2210.17323), figures of accuracy.md §3.1.
Deviations: centred moments; order by diag H (GPTQ's act_order).
Degenerate inputs: a constant input gives H = 0: damping falls back to 1 and rounding is to nearest; K = 1 is nearest.
"""

from __future__ import annotations

import numpy as np

from app.engine.quantize.weights import QMAX

DAMPING = 0.01
"""Of the mean diagonal; 0.001 did not help (accuracy.md §7)."""
BLOCK = 64


def second_moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (K, K) float64 and mean (K,) of input rows (n, K)."""
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = (rows - mean.astype(np.float32)).astype(np.float32)
    return (centred.T @ centred).astype(np.float64) / max(len(rows), 1), mean


def round_with_moments(weights: np.ndarray, scales: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """(C, K) int8 of float32 weights (C, K), scales (C,) or (), centred second moments (K, K) of their input."""
    columns = weights.shape[1]
    order = np.argsort(-np.diag(moments), kind="stable")
    factor = _inverse_factor(moments[np.ix_(order, order)])
    rest = weights[:, order].astype(np.float64)
    steps = np.broadcast_to(scales, (len(weights),)).astype(np.float64)[:, None]  # (C, 1)
    rounded = np.empty_like(rest)
    for start in range(0, columns, BLOCK):
        stop = min(start + BLOCK, columns)
        errors = np.empty((len(weights), stop - start))
        for k in range(start, stop):
            rounded[:, k : k + 1] = np.clip(np.rint(rest[:, k : k + 1] / steps), -QMAX, QMAX)
            error = (rest[:, k : k + 1] - rounded[:, k : k + 1] * steps) / factor[k, k]
            errors[:, k - start] = error[:, 0]
            rest[:, k + 1 : stop] -= error * factor[k, k + 1 : stop]
        rest[:, stop:] -= errors @ factor[start:stop, stop:]
    restored = np.empty_like(rounded)
    restored[:, order] = rounded
    return restored.astype(np.int8)


def round_channels_with_moments(weights: np.ndarray, scales: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """As `round_with_moments` where every output channel has its own input: moments (C, K, K), for depthwise convolutions.

    K is small there (9, 25, 49), so all channels take each step together.
    """
    channels, columns = weights.shape
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")  # (C, K)
    sorted_moments = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    factors = _inverse_factors(sorted_moments)  # (C, K, K)
    rest = np.take_along_axis(weights, order, 1).astype(np.float64)
    steps = np.broadcast_to(scales, (channels,)).astype(np.float64)
    rounded = np.empty_like(rest)
    for k in range(columns):
        rounded[:, k] = np.clip(np.rint(rest[:, k] / steps), -QMAX, QMAX)
        errors = (rest[:, k] - rounded[:, k] * steps) / factors[:, k, k]
        rest[:, k + 1 :] -= errors[:, None] * factors[:, k, k + 1 :]
    restored = np.empty_like(rounded)
    np.put_along_axis(restored, order, rounded, 1)
    return restored.astype(np.int8)


def _inverse_factors(moments: np.ndarray) -> np.ndarray:
    """U of every channel, (C, K, K), at once where the usual damping is enough for all."""
    mean = np.trace(moments, axis1=1, axis2=2) / moments.shape[1]
    damping = np.where(mean > 0, DAMPING * mean, 1.0)
    try:
        inverse = np.linalg.inv(moments + damping[:, None, None] * np.eye(moments.shape[1]))
        return np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).transpose(0, 2, 1)
    except np.linalg.LinAlgError:
        return np.stack([_inverse_factor(channel) for channel in moments])


def _inverse_factor(moments: np.ndarray) -> np.ndarray:
    """U of H^-1 = U^T U, (K, K) upper, H damped until it is positive definite."""
    size = len(moments)
    mean = float(np.trace(moments)) / size
    damping = DAMPING * mean if mean > 0 else 1.0
    identity = np.eye(size)
    for _ in range(20):
        try:
            inverse = np.linalg.inv(moments + damping * identity)
            return np.linalg.cholesky((inverse + inverse.T) / 2).T
        except np.linalg.LinAlgError:
            damping *= 10
    return identity
