"""What a comparison means, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.engine.benchmark.verdict import judge_speed
from app.services import wording
from app.services.comparison_rows import Differences
from app.services.relative import judge_accuracy
from app.services.sentences import Saying, variant_sentence
from app.services.views import VariantView


def comparison_saying(
    reference: VariantView, others: Sequence[VariantView], differences: Sequence[Differences], max_drop: float
) -> Saying:
    """The fastest variant that is not less accurate beyond the limit first; what else is faster below it."""
    if not others:
        return Saying(f"Only {reference.name} is here.", "Make an INT8 variant, or add one, to compare.")
    pairs = sorted(zip(others, differences, strict=True), key=lambda pair: -_speed(pair[1]))
    inside = [pair for pair in pairs if not _is_missed(pair[1], max_drop)]
    first = inside[0] if inside else pairs[0]
    rest = [pair for pair in pairs if pair[0].id != first[0].id]
    detail = " ".join(_sentence(*pair, reference, max_drop) for pair in rest[:1])
    return Saying(_sentence(*first, reference, max_drop), detail)


def _sentence(variant: VariantView, differences: Differences, reference: VariantView, max_drop: float) -> str:
    """In the words of a variant against the original, with this reference in its place."""
    equal = _equal_sentence(variant, differences, reference, max_drop)
    if equal:
        return equal
    paired = variant.paired
    if paired is not None and differences.speedup is not None:
        paired = replace(paired, speedup=differences.speedup)
    shown = replace(
        variant,
        paired=paired,
        speed=None if differences.speedup is None else judge_speed(differences.speedup),
        evaluation=differences.evaluation,
        limit=None if variant.limit is None else replace(variant.limit, allowed_points=max_drop),
    )
    return variant_sentence(shown, reference.name)


def _equal_sentence(variant: VariantView, differences: Differences, reference: VariantView, max_drop: float) -> str:
    """`INT8 AccuracyAware is as accurate as FP32 within ±0.8 points on 500 images, at 1.8× its speed.`"""
    drop, speedup, evaluation = differences.top1, differences.speedup, differences.evaluation
    if drop is None or speedup is None or evaluation is None or not evaluation.has_labels:
        return ""
    if judge_accuracy(drop, max_drop) != "unchanged" or judge_speed(speedup) != "faster":
        return ""
    widest = max(abs(drop.points.low), abs(drop.points.high))
    return (
        f"{variant.name} is as accurate as {reference.name} within ±{wording.points(widest)} on {wording.images(drop.n)}, "
        f"at {wording.times(speedup.value)} its speed."
    )


def _speed(differences: Differences) -> float:
    return 0.0 if differences.speedup is None else differences.speedup.value


def _is_missed(differences: Differences, max_drop: float) -> bool:
    return differences.top1 is not None and differences.top1.points.value > max_drop
