"""The verdict table of a comparison: per measure and variant a tone, a word and a value against the reference. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.engine.benchmark.verdict import SpeedState, judge_speed
from app.engine.numerics.intervals import Interval, PairedDrop
from app.engine.tasks.results import Evaluation
from app.services import wording
from app.services.relative import AccuracyState, judge_accuracy, judge_latency
from app.services.views import ComparisonCell, ComparisonRow, VariantView

Tone = Literal["good", "bad", "none", "warn"]

SPEED_WORDS: dict[SpeedState, tuple[Tone, str]] = {
    "faster": ("good", "faster"),
    "slower": ("bad", "slower"),
    "same": ("none", "same"),
    "cannot-tell": ("warn", "cannot tell"),
}
ACCURACY_WORDS: dict[AccuracyState, tuple[Tone, str]] = {
    "unchanged": ("good", "same"),
    "higher": ("good", "more accurate"),
    "lower": ("bad", "less accurate"),
    "cannot-tell": ("warn", "cannot tell"),
}
NOT_MEASURED = ComparisonCell("none", "not measured", "–")


@dataclass(frozen=True)
class Differences:
    """Of one variant against the reference; None where it was not measured."""

    speedup: Interval | None
    latency: Interval | None
    """Ratio of medians, < 1 is faster."""
    top1: PairedDrop | None
    """Without labels `lost` counts other answers than the reference's."""
    top5: PairedDrop | None
    evaluation: Evaluation | None
    """Against the reference."""


def comparison_rows(
    reference: VariantView, others: Sequence[VariantView], differences: Sequence[Differences], max_drop: float
) -> tuple[ComparisonRow, ...]:
    """One row per measure, in each a cell per variant of `others`."""
    if not others:
        return ()

    def row(measure: str, sub: str, cell: Callable[[VariantView, Differences], ComparisonCell]) -> ComparisonRow:
        return ComparisonRow(measure, sub, tuple(cell(v, d) for v, d in zip(others, differences, strict=True)))

    rows = [
        row("Throughput", _rounds(others), lambda _, d: speed_cell(d.speedup)),
        *twin_row(others),
        row("Latency, median", _setting(others), lambda _, d: latency_cell(d.latency)),
        row("Latency, 99 %", _requests(others), lambda v, _: tail_cell(v, reference)),
    ]
    if _labelled(reference, others):
        sub = _images(differences)
        rows.append(row("Top-1", sub, lambda _, d: accuracy_cell(d.top1, max_drop)))
        rows.append(row("Top-5", sub, lambda _, d: accuracy_cell(d.top5, max_drop)))
    else:
        rows.append(row(f"Same answer as {reference.name}", _images(differences), lambda _, d: agreement_cell(d)))
    rows.append(row("Size", "bytes on disk", lambda v, _: size_cell(v, reference)))
    return tuple(rows)


def twin_row(others: Sequence[VariantView]) -> tuple[ComparisonRow, ...]:
    """How fast FP32 is with each variant's exact rewrites; none when no variant was measured beside that."""
    if all(variant.twin is None for variant in others):
        return ()
    cells = tuple(speed_cell(variant.twin.speedup if variant.twin else None) for variant in others)
    return (ComparisonRow("FP32, same rewrites", "throughput against FP32, in the rounds of the variant's run", cells),)


def speed_cell(speedup: Interval | None) -> ComparisonCell:
    if speedup is None:
        return NOT_MEASURED
    return ComparisonCell(*SPEED_WORDS[judge_speed(speedup)], wording.ratio(speedup))


def latency_cell(ratio: Interval | None) -> ComparisonCell:
    if ratio is None:
        return NOT_MEASURED
    return ComparisonCell(*SPEED_WORDS[judge_latency(ratio)], wording.ratio(ratio))


def tail_cell(variant: VariantView, reference: VariantView) -> ComparisonCell:
    """A percentile so far out has no interval, so it gets no verdict."""
    if variant.paired is None or reference.paired is None:
        return NOT_MEASURED
    ratio = variant.paired.latency_ms.p99 / reference.paired.latency_ms.p99
    return ComparisonCell("none", wording.milliseconds(variant.paired.latency_ms.p99), f"{ratio:.2f}×")


def accuracy_cell(drop: PairedDrop | None, max_drop: float) -> ComparisonCell:
    if drop is None:
        return NOT_MEASURED
    state = judge_accuracy(drop, max_drop)
    if state == "unchanged":
        widest = max(abs(drop.points.low), abs(drop.points.high))
        return ComparisonCell(*ACCURACY_WORDS[state], f"within ±{wording.points(widest)}")
    return ComparisonCell(*ACCURACY_WORDS[state], f"{wording.change(drop.points)} points")


def agreement_cell(differences: Differences) -> ComparisonCell:
    evaluation = differences.evaluation
    if evaluation is None:
        return NOT_MEASURED
    return ComparisonCell(
        "none", wording.percent(evaluation.agreement / evaluation.n), f"{evaluation.agreement} of {evaluation.n}"
    )


def size_cell(variant: VariantView, reference: VariantView) -> ComparisonCell:
    ratio = variant.size_bytes / reference.size_bytes
    tone: Tone = "good" if ratio < 1 else "bad" if ratio > 1 else "none"
    word = {"good": "smaller", "bad": "larger"}.get(tone, "same")
    return ComparisonCell(tone, word, f"{ratio:.2f}×")


def _labelled(reference: VariantView, others: Sequence[VariantView]) -> bool:
    return any(v.evaluation is not None and v.evaluation.has_labels for v in (reference, *others))


def _rounds(others: Sequence[VariantView]) -> str:
    rounds = {v.paired_rounds for v in others if v.paired is not None}
    return f"{rounds.pop()} interleaved rounds" if len(rounds) == 1 else "interleaved rounds"


def _setting(others: Sequence[VariantView]) -> str:
    settings = {v.paired_setting for v in others if v.paired_setting is not None}
    if len(settings) != 1:
        return ""
    streams = settings.pop().streams
    return "1 request at a time" if streams == 1 else f"{streams} requests at a time"


def _requests(others: Sequence[VariantView]) -> str:
    counts = [v.paired.latency_ms.n for v in others if v.paired is not None]
    return f"at least {wording.count(min(counts))} requests each" if counts else ""


def _images(differences: Sequence[Differences]) -> str:
    counts = {d.top1.n for d in differences if d.top1 is not None}
    return f"{wording.images(counts.pop())}, paired" if len(counts) == 1 else "paired"
