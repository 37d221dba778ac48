"""A CPU without VNNI in numpy: products of uint8 and int8 in pairs, each pair's sum cut off at 16 bits, one by one."""

from __future__ import annotations

import numpy as np


def multiply(a: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 sums (n, C) as vpmaddubsw makes them of a (n, K) uint8 and w (C, K) int8, and whether any pair was cut off."""
    n, inner = a.shape
    sums, hit = np.zeros((n, len(w)), np.int32), np.zeros((n, len(w)), bool)
    for i in range(n):
        for c in range(len(w)):
            for k in range(0, inner, 2):
                pair = sum(int(a[i, j]) * int(w[c, j]) for j in range(k, min(k + 2, inner)))
                cut = min(max(pair, -32768), 32767)
                sums[i, c] += cut
                hit[i, c] |= cut != pair
    return sums, hit
