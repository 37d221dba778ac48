"""Which ranges, which integers? Candidates are made on some calibration samples and judged on others, by the real kernels.

No step is always right (accuracy.md §0.3): mean squared error is the better range on two of three ImageNet models, rounding
gains 1.5 dB on EfficientNet-Lite0 and nothing on MobileNet-v2, whose weights lie on an INT8 grid already. So each must win on
held-out samples, by `CLEARLY_DB`, or the simpler one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.judged import Judge
from app.engine.quantize.placement import Placement
from app.engine.quantize.weight_fitting import Integers

FITTING_SAMPLES = 32
HELD_OUT_SAMPLES = 64
"""More than 32 to fit bought nothing (accuracy.md §3.6); many decide, for a few loud samples sway 32 (SqueezeNet: by 2 dB)."""
MEMORY_BUDGET_BYTES = 400 * 2**20
FEWEST_HELD_OUT, HELD_OUT_WORK = 12, 40 * 10**9
"""Multiply-adds of one candidate's judgement."""
LIVE_COPIES = 5
"""Of the largest activation: input and output, float and quantized, and the patches."""
CLEARLY_DB = 0.1


Entry = tuple[onnx.ModelProto, Mapping[str, QParams], Integers]
"""Float graph, grids and integers."""


@dataclass(frozen=True)
class Candidate:
    name: str
    sqnr_db: float | None
    """On the held-out samples; None when it was not judged."""
    reason: str = ""
    """Why it was not judged."""


@dataclass
class Contest:
    """Candidates in the order of their cost; a later one must be clearly better."""

    judge: Judge | None
    """None: too few samples to hold some out; the first candidate is taken."""
    judged: list[Candidate] = field(default_factory=list)
    sqnr_db: float | None = None
    """Of the candidate taken last."""

    def best(
        self, placement: Placement, entries: Mapping[str, Entry], *, known: bool = False, by_db: float = CLEARLY_DB
    ) -> str:
        """Name of the entry that wins.

        Args:
            known: The first entry is the one taken last, in the same placement: it is not judged again.
            by_db: How much better a later entry must be.
        """
        names = list(entries)
        if self.judge is None:
            self.judged.append(Candidate(names[0], None, "too few samples to hold some out"))
            return names[0]
        best = names[0]
        if not known:
            self.sqnr_db = self._judged(best, placement, entries[best])
        for name in names[1:]:
            sqnr_db = self._judged(name, placement, entries[name])
            if not np.isnan(sqnr_db) and not (self.sqnr_db is not None and sqnr_db <= self.sqnr_db + by_db):
                best, self.sqnr_db = name, sqnr_db
        return best

    def _judged(self, name: str, placement: Placement, entry: Entry) -> float:
        assert self.judge is not None
        graph, grids, integers = entry
        sqnr_db = self.judge.sqnr_db(assemble(graph, placement, Fitted(grids, integers)))
        self.judged.append(Candidate(name, sqnr_db))
        return sqnr_db


def split_samples(samples: Sequence[np.ndarray], multiply_adds: int) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """(fitting, held out): disjoint; half and half of few samples; nothing held out of fewer than 3.

    Args:
        multiply_adds: Of the model for one sample; fewer samples decide on a large one, at least FEWEST_HELD_OUT.
    """
    if len(samples) < 3:
        return samples, ()
    fitting = min(FITTING_SAMPLES, len(samples) // 2 + 1)
    held_out = min(HELD_OUT_SAMPLES, max(FEWEST_HELD_OUT, HELD_OUT_WORK // max(1, multiply_adds)))
    return samples[:fitting], samples[fitting : fitting + held_out]


def affordable_samples(prepared: onnx.ModelProto) -> int:
    """How many samples may go through the graph side by side, node by node."""
    return max(2, MEMORY_BUDGET_BYTES // max(1, LIVE_COPIES * largest_activation_bytes(prepared)))


def largest_activation_bytes(prepared: onnx.ModelProto) -> int:
    """Of one sample, by the inferred shapes; values of unknown shape are not counted."""
    sizes = [0]
    for value in (*prepared.graph.value_info, *prepared.graph.input):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
        if dims and all(dims):
            sizes.append(4 * int(np.prod(dims)))
    return max(sizes)
