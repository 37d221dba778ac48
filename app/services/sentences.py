"""What a result means, in words (mock/GUIDE.md §4). Pure: the same facts, the same words everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.benchmark.verdict import judge_speed
from app.services import wording
from app.services.done import kept_clause
from app.services.relative import judge_accuracy
from app.services.views import VariantView


@dataclass(frozen=True)
class Saying:
    """The sentence a page opens with, and one line below it (may be empty)."""

    sentence: str
    detail: str = ""


def limit_words(limit: LimitVerdict) -> str:
    """`kept, certified`, `kept, not certain`, `missed by 0.8`."""
    if limit.state == "missed":
        return f"missed by {limit.missed_by_points:.{1 if limit.missed_by_points >= 0.05 else 2}f}"
    return "kept, certified" if limit.state == "certified" else "kept, not certain"


def speed_clause(variant: VariantView, reference: str = "FP32") -> str:
    """`INT8 Default is 2.0× faster`: without an end, to be continued."""
    if variant.paired is None or variant.speed is None:
        return f"{variant.name} is not measured against {reference} yet"
    ratio = variant.paired.speedup
    return {
        "faster": f"{variant.name} is {wording.times(ratio.value)} faster",
        "slower": f"{variant.name} is slower ({wording.ratio(ratio)})",
        "same": f"{variant.name} is as fast as {reference} ({wording.ratio(ratio)})",
        "cannot-tell": f"whether {variant.name} is faster cannot be told ({wording.ratio(ratio)})",
    }[variant.speed]


def accuracy_clause(variant: VariantView, reference: str = "FP32") -> str:
    """`accuracy unchanged within ±0.8 points on 500 images`; agreement when there are no labels; "" when not evaluated."""
    evaluation = variant.evaluation
    if evaluation is None or evaluation.top1_drop is None:
        return ""
    if not evaluation.has_labels:
        agreement = f"{wording.count(evaluation.agreement)} of {wording.images(evaluation.n)}"
        return f"it gives the same answer as {reference} on {agreement}"
    drop = evaluation.top1_drop
    lost, n = drop.points, wording.images(drop.n)
    allowed = variant.limit.allowed_points if variant.limit else 0.0
    widest = max(abs(lost.low), abs(lost.high))
    few = "is too few" if drop.n == 1 else "are too few"
    uncertain = f"{n} {few} to tell its accuracy ({wording.change(lost)} points)"
    if abs(lost.value) <= allowed:
        uncertain = f"accuracy changed by {wording.change(lost)} points on {n}, too few to be certain"
    return {
        "unchanged": f"accuracy unchanged within ±{wording.points(widest)} on {n}",
        "lower": f"it loses {_amount(lost.value, wording.half_width(lost))} of top-1 on {n}",
        "higher": f"it gains {_amount(-lost.value, wording.half_width(lost))} of top-1 on {n}",
        "cannot-tell": uncertain,
    }[judge_accuracy(drop, allowed)]


def variant_sentence(variant: VariantView, reference: str = "FP32") -> str:
    """Speed and accuracy of one variant against the original."""
    clauses = [speed_clause(variant, reference), accuracy_clause(variant, reference)]
    return _sentence("; ".join(clause for clause in clauses if clause))


def not_faster(variant: VariantView, reference: str = "FP32") -> str:
    """That a measured variant gains no speed, why, and what to take instead; empty when it is faster or not measured."""
    if variant.speed is None or variant.speed == "faster":
        return ""
    advice = f"It is not measurably faster than {reference} on this CPU: keep {reference}, unless the size counts."
    return f"{advice} {why_not_faster(variant)}".rstrip()


def why_not_faster(variant: VariantView) -> str:
    """`38.0 % of the multiply-adds run in integer kernels. In float stay 30 × slower in INT8 here.`; empty without a recipe."""
    recipe = variant.recipe
    if recipe is None:
        return ""
    share = recipe.kernels.integer_multiply_adds if recipe.kernels else None
    ran = "" if share is None else f"{wording.percent(share)} of the multiply-adds run in integer kernels."
    kept = f"In float stay {kept_clause(recipe.kept_in_float)}." if recipe.kept_in_float else ""
    return f"{ran} {kept}".strip()


def twin_clause(variant: VariantView) -> str:
    """What FP32 gains by the same rewrites, so that INT8 is not praised for it; empty when it gains nothing."""
    if variant.twin is None or judge_speed(variant.twin.speedup) != "faster":
        return ""
    return f"The same exact rewrites alone make FP32 {wording.times(variant.twin.speedup.value)} faster."


def baseline_sentence(original: VariantView) -> str:
    """`FP32: 318 FPS, top-1 86.2 % on 500 images, 14.0 MB.`"""
    parts = []
    if original.grid is not None:
        parts.append(wording.fps(original.grid.best.throughput_fps))
    evaluation = original.evaluation
    if evaluation is not None and evaluation.top1 is not None:
        parts.append(f"top-1 {wording.percent(evaluation.top1.value)} on {wording.images(evaluation.labelled)}")
    parts.append(wording.size(original.size_bytes))
    return f"{original.name}: {', '.join(parts)}."


def project_saying(variants: Sequence[VariantView], best: VariantView | None, max_drop: float) -> Saying:
    """Of a project with a measured baseline: what the best variant gains, and what it costs.

    Args:
        variants: The original first.
        best: The fastest variant inside the limit, the original included.
    """
    original, others = variants[0], [variant for variant in variants[1:] if variant.evaluation is not None]
    if not others or best is None:
        return Saying("The baseline is measured. Now see what INT8 gains.", baseline_sentence(original))
    if best.id != original.id:
        return Saying(variant_sentence(best, original.name), _faster_but_missed(others, best, max_drop))
    faster = _fastest([variant for variant in others if variant.speed == "faster"])
    if faster is not None:
        sentence = f"No INT8 variant that is faster keeps your limit of {wording.limit(max_drop)}, so the float model stays."
        return Saying(sentence, variant_sentence(faster, original.name))
    closest = _fastest(others)
    detail = variant_sentence(closest, original.name) if closest else ""
    why = why_not_faster(closest) if closest else ""
    if any(variant.speed is None for variant in others):
        return Saying("INT8 is made, but not measured against the original yet.", detail)
    return Saying("INT8 is not faster on this CPU, so the float model stays.", f"{detail} {why}".strip())


def _faster_but_missed(others: Sequence[VariantView], best: VariantView, max_drop: float) -> str:
    missed = [v for v in others if v.speed == "faster" and v.limit is not None and v.limit.state == "missed"]
    still_faster = _fastest([v for v in missed if speedup(v) > speedup(best)])
    if still_faster is None or still_faster.evaluation is None or still_faster.evaluation.top1_drop is None:
        return ""
    lost = still_faster.evaluation.top1_drop.points
    return (
        f"{still_faster.name} is faster still ({wording.times(speedup(still_faster))}) but loses "
        f"{_amount(lost.value, wording.half_width(lost))}, more than your limit of {wording.limit(max_drop)}."
    )


def speedup(variant: VariantView) -> float:
    """Against the original; 1 for the original and for what was not measured."""
    return 1.0 if variant.paired is None else variant.paired.speedup.value


def _fastest(variants: Sequence[VariantView]) -> VariantView | None:
    return max(variants, key=speedup, default=None)


def _amount(value: float, half: float) -> str:
    return f"{value:.1f} ± {wording.points(half)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
