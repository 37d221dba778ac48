"""What an evaluation says: counts first, fractions derived."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.numerics.intervals import Interval, PairedDrop


@dataclass(frozen=True)
class Evaluation:
    n: int
    """Samples evaluated."""
    labelled: int
    top1_correct: int | None
    """None without labels."""
    top5_correct: int | None
    agreement: int
    """Samples with the same top-1 class as the reference (n for the reference itself)."""
    top1: Interval | None
    """Fraction, 95 % Wilson interval."""
    top5: Interval | None
    top1_drop: PairedDrop | None
    """Against the reference on the same samples; without labels, `lost` counts disagreements. None for the reference."""
    top5_drop: PairedDrop | None
    seconds: float

    @property
    def has_labels(self) -> bool:
        return self.labelled > 0
