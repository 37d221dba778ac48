"""How far a tensor is from its reference: signal to quantization noise ratio.

    SQNR = 10 log10(sum x_ref^2 / sum (x_ref - x)^2)   [dB]

Degenerate inputs, each with its result: identical tensors (all zero and empty ones included): +inf; x_ref all zero and x not:
-inf; NaN or infinity in either tensor: NaN. Sums of squares are added over samples before the ratio is taken
(`sqnr_from_energies`), so that a quiet sample does not count as much as a loud one.
"""

from __future__ import annotations

import math

import numpy as np


def compute_energies(x_ref: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """(signal, noise): sums of squares of `x_ref` and of `x_ref - x`, in float64.

    Raises:
        ValueError: shapes differ.
    """
    if x_ref.shape != x.shape:
        raise ValueError(f"a tensor and its reference must have one shape, but have {x.shape} and {x_ref.shape}")
    reference = np.asarray(x_ref, np.float64).ravel()
    with np.errstate(invalid="ignore"):  # inf - inf is NaN: the documented result
        difference = reference - np.asarray(x, np.float64).ravel()
    return float(reference @ reference), float(difference @ difference)


def sqnr_from_energies(signal: float, noise: float) -> float:
    """dB from two sums of squares; see the module for the degenerate cases."""
    if not (math.isfinite(signal) and math.isfinite(noise)):
        return math.nan
    if noise == 0:
        return math.inf
    if signal == 0:
        return -math.inf
    return 10 * math.log10(signal / noise)


def sqnr_db(x_ref: np.ndarray, x: np.ndarray) -> float:
    """Signal to quantization noise ratio of `x` (any shape) against `x_ref` (the same shape), dB.

    Raises:
        ValueError: shapes differ.
    """
    return sqnr_from_energies(*compute_energies(x_ref, x))
