"""Variants side by side: chips to choose them, verdicts, four charts, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.services.done import Done, what_was_done
from app.services.run_sentences import kept_in_float
from app.services.views import ComparisonView, ProjectView, RunView, VariantView
from app.web.figures import accuracy_bars, latency_marks, size_bars, throughput_bars
from app.web.figures.compare import chart_height, latency_of
from app.web.figures.pareto import accuracy_percent, spot_of
from app.web.pages.project import ProjectHead, is_labelled, judged_images, project_head
from app.web.pages.words import Chip, run_method, state_chip

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins so for a formula."""


@dataclass(frozen=True)
class Picked:
    variant: VariantView
    remove_href: str
    """Empty when fewer than two would be left."""


@dataclass(frozen=True)
class Addable:
    variant: VariantView
    href: str


@dataclass(frozen=True)
class DoneItem:
    variant: VariantView
    summary: str
    done: Done


@dataclass(frozen=True)
class ComparePage:
    head: ProjectHead
    project: ProjectView
    comparison: ComparisonView | None
    """None: there is only one variant."""
    picked: tuple[Picked, ...]
    addable: tuple[Addable, ...]
    query: str
    """v=…&v=…&against=…: the same choice for links."""
    labelled: bool
    n: int
    height: int
    throughput: dict[str, Any] | None
    latency: dict[str, Any] | None
    accuracy: dict[str, Any] | None
    sizes: dict[str, Any] | None
    done: tuple[DoneItem, ...]
    how: str
    cell_icons: dict[str, str]
    here: str
    """This page's URL."""
    measuring: RunView | None
    run_chip: Chip | None
    run_method: str


CELL_ICONS = {
    "faster": "up",
    "slower": "down",
    "same": "same",
    "more accurate": "up",
    "less accurate": "down",
    "smaller": "down",
    "larger": "up",
}
"""Word of a verdict -> icon beside it."""


def compare_page(project: ProjectView, comparison: ComparisonView | None) -> ComparePage:
    shown = () if comparison is None else comparison.variants
    reference = project.original if comparison is None else comparison.reference
    ids, running = [variant.id for variant in shown], project.active_run
    return ComparePage(
        head=project_head(project, "Compare"),
        project=project,
        comparison=comparison,
        picked=tuple(_picked(project, variant, ids, reference) for variant in shown),
        addable=tuple(
            Addable(variant, _href(project, [*ids, variant.id], reference))
            for variant in project.variants
            if variant.id not in ids
        ),
        query=_query(ids, reference),
        labelled=is_labelled(project),
        n=judged_images(project),
        height=chart_height(len(shown)),
        throughput=throughput_bars(shown),
        latency=latency_marks(shown),
        accuracy=accuracy_bars(shown, reference, project.max_drop),
        sizes=size_bars(shown) if shown else None,
        done=tuple(DoneItem(v, kept_in_float(v), what_was_done(v.recipe, v.seconds)) for v in shown if v.recipe is not None),
        how="" if comparison is None else _how(comparison),
        cell_icons=CELL_ICONS,
        here=_href(project, ids, reference),
        measuring=running,
        run_chip=None if running is None else state_chip(running),
        run_method="fp32" if running is None else run_method(running),
    )


def comparison_csv(comparison: ComparisonView) -> str:
    """One row per variant. Text that a spreadsheet would run as a formula gets a quote before it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_HEAD)
    for variant in comparison.variants:
        writer.writerow([guarded(value) if isinstance(value, str) else value for value in _csv_row(variant)])
    return out.getvalue()


CSV_HEAD = (
    "variant", "method", "throughput_fps", "throughput_low", "throughput_high", "speedup", "speedup_low", "speedup_high",
    "latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms", "n_images", "accuracy_percent",
    "change_points", "change_low", "change_high", "size_bytes", "size_ratio",
)  # fmt: skip


def guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_row(variant: VariantView) -> Sequence[Any]:
    spot, latency, paired, evaluation = spot_of(variant), latency_of(variant), variant.paired, variant.evaluation
    speed = (spot.throughput.value, spot.throughput.low, spot.throughput.high) if spot else ("", "", "")
    ratio = (paired.speedup.value, paired.speedup.low, paired.speedup.high) if paired else ("", "", "")
    times = (latency.p50, latency.p90, latency.p95, latency.p99) if latency else ("", "", "", "")
    drop = evaluation.top1_drop.points if evaluation is not None and evaluation.top1_drop is not None else None
    change = (-drop.value, -drop.high, -drop.low) if drop else ("", "", "")
    accuracy = (evaluation.n, accuracy_percent(evaluation)) if evaluation is not None else ("", "")
    sizes = (variant.size_bytes, variant.size_ratio)
    return (variant.name, variant.method, *speed, *ratio, *times, *accuracy, *change, *sizes)


def _how(comparison: ComparisonView) -> str:
    names = ", ".join(variant.name for variant in comparison.variants)
    if comparison.measured_together:
        return f"Speed was measured together, in turns ({names}, and again), so that a slow minute hits all of them."
    apart = "Speed is from separate comparisons, each in turns with FP32."
    return f"{apart} Measuring together makes the ratios between variants sharper."


def _picked(project: ProjectView, variant: VariantView, ids: Sequence[str], reference: VariantView) -> Picked:
    rest = [other for other in ids if other != variant.id]
    keep = reference if variant.id != reference.id else None
    return Picked(variant, _href(project, rest, keep) if len(rest) > 1 else "")


def _href(project: ProjectView, ids: Sequence[str], reference: VariantView | None) -> str:
    return f"/projects/{project.id}/compare?{_query(ids, reference)}"


def _query(ids: Sequence[str], reference: VariantView | None) -> str:
    pairs = [("v", variant_id) for variant_id in ids]
    return urlencode(pairs + ([("against", reference.id)] if reference is not None else []))
