"""Which samples, and which positions of a sample, stand for all: spread evenly, the same however the samples are split.

    i        number of a sample, 0, 1, 2, … in calibration order
    r(i)     its 32 bits in reverse order: 0, 1/2, 1/4, 3/4, … of the whole, the van der Corput sequence
    kept     the K samples with the smallest r

Every prefix of 0, 1, …, n - 1 is thinned to (nearly) every 2^k-th sample, and thinning further keeps a part of what was kept:
"the K smallest of all" is the K smallest of the K smallest of each part. So shards may be merged in any order.

Positions inside a sample follow the golden ratio: frac(k φ + i √2) for k = 0, 1, …: even for every prefix, other ones in each
sample, and, unlike an even stride, never in step with the rows of an image (a stride of one row would see its border alone).
Source: van der Corput 1935; Weyl sequences, e.g. Niederreiter 1992, ch. 3.
"""

from __future__ import annotations

import numpy as np

GOLDEN_RATIO = (np.sqrt(5) - 1) / 2
ROOT_TWO = np.sqrt(2) - 1


def thinning_rank(numbers: np.ndarray) -> np.ndarray:
    """r(i): (n,) uint32, for sample numbers 0 <= i < 2^32."""
    bits = np.asarray(numbers).astype(np.uint32)
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        bits = ((bits >> np.uint32(shift)) & np.uint32(mask)) | ((bits & np.uint32(mask)) << np.uint32(shift))
    return (bits >> np.uint32(16)) | (bits << np.uint32(16))


def keep_smallest_ranks(numbers: np.ndarray, limit: int) -> np.ndarray:
    """Indices into `numbers` (each different) of the at most `limit` kept ones, in rising order of number."""
    order = np.argsort(thinning_rank(numbers), kind="stable")[:limit]
    return order[np.argsort(np.asarray(numbers)[order], kind="stable")]


def is_kept(number: int, total: int, limit: int) -> bool:
    """Whether sample `number` is among the `limit` kept ones of `total`."""
    before = np.count_nonzero(thinning_rank(np.arange(total)) < thinning_rank(np.array([number]))[0])
    return bool(before < limit)


def spread_positions(size: int, count: int, number: int) -> np.ndarray:
    """(min(count, size),) int64: positions below `size` for sample `number`; all of them in order when `count` reaches it."""
    if count >= size:
        return np.arange(size)
    turns = (np.arange(count) * GOLDEN_RATIO + number * ROOT_TWO) % 1.0
    positions: np.ndarray = np.minimum((turns * size).astype(np.int64), size - 1)
    return positions
