"""Rows that a convolution's weights see, one by one: a literal transcription of ONNX Conv's definition."""

from __future__ import annotations

from itertools import product

import numpy as np


def rows_of(
    x: np.ndarray,
    kernel: tuple[int, int],
    *,
    groups: int = 1,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """(groups, n, C/groups kH kW) float64 of x (N, C, H, W)."""
    n, channels, height, width = x.shape
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = kernel, strides, dilations, pads
    per_group = channels // groups
    rows: list[list[list[float]]] = [[] for _ in range(groups)]
    for sample in range(n):
        for i in range(-top, height + bottom - dh * (kh - 1), sh):
            for j in range(-left, width + right - dw * (kw - 1), sw):
                for group in range(groups):
                    row = []
                    for c, k, m in product(range(per_group), range(kh), range(kw)):
                        y, z = i + k * dh, j + m * dw
                        inside = 0 <= y < height and 0 <= z < width
                        row.append(float(x[sample, group * per_group + c, y, z]) if inside else 0.0)
                    rows[group].append(row)
    return np.array(rows)
