"""The report: one self-contained HTML file with the words and numbers of the pages. No script, nothing to load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2

from app import __version__
from app.assets import TEMPLATES
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import describe
from app.engine.quantize.recipe import Recipe
from app.engine.records import to_json
from app.engine.runtimes.base import Capabilities
from app.services import wording
from app.services.comparisons import compare
from app.services.context import Workbench
from app.services.done import Done, what_was_done
from app.services.projects import get_project
from app.services.report_charts import COLOUR, LABEL_PX, ROW_PX, WIDTH_PX, Chart, latency_of, report_charts
from app.services.run_sentences import kept_in_float
from app.services.sentences import limit_words
from app.services.views import ComparisonRow, ProjectView, VariantView


@dataclass(frozen=True)
class ReportFacts:
    """What a report tells, from a project or from the command line."""

    title: str
    sentence: str
    detail: str
    facts: tuple[tuple[str, str], ...]
    """Model, dataset, … as (name, value)."""
    variants: tuple[VariantView, ...]
    """The reference first."""
    rows: tuple[ComparisonRow, ...]
    preprocessing: Preprocessing | None
    device: Capabilities | None
    measured_at: datetime | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By stage; empty when not told."""


@dataclass(frozen=True)
class _Line:
    """One variant in the table of numbers, every cell as read."""

    name: str
    sub: str
    colour: str
    throughput: str
    latency: str
    tail: str
    top1: str
    top1_sub: str
    top5: str
    size: str
    limit: str


@dataclass(frozen=True)
class _Page:
    title: str
    sentence: str
    detail: str
    facts: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    """Of the variants beside the reference: the columns of the verdicts."""
    reference: str
    rows: tuple[ComparisonRow, ...]
    lines: tuple[_Line, ...]
    charts: tuple[Chart, ...]
    preprocessing: str
    preprocessing_json: str
    done: tuple[tuple[str, str, str, Done], ...]
    """(variant, colour, what stays in float, what was done)."""
    recipes: tuple[tuple[str, str], ...]
    how: tuple[str, ...]
    seconds: tuple[tuple[str, str], ...]
    version: str
    label_px: int = LABEL_PX
    width_px: int = WIDTH_PX
    row_px: int = ROW_PX


def project_report(wb: Workbench, project_id: str, variant_ids: Sequence[str] = ()) -> str:
    """HTML of the comparison of these variants (all when empty) with the original. Raises NotFoundError."""
    project = get_project(wb, project_id)
    wanted = [project.original.id, *variant_ids] if variant_ids else ()
    comparison = compare(wb, project_id, wanted)
    return render_report(
        ReportFacts(
            title=project.name,
            sentence=comparison.sentence,
            detail=comparison.detail,
            facts=_project_facts(project),
            variants=comparison.variants,
            rows=comparison.rows,
            preprocessing=project.preprocessing,
            device=_measuring_device(comparison.variants) or project.device,
            measured_at=comparison.measured_at,
        )
    )


def render_report(facts: ReportFacts) -> str:
    """The same facts give the same bytes."""
    page = _Page(
        title=facts.title,
        sentence=facts.sentence,
        detail=facts.detail,
        facts=facts.facts,
        names=tuple(variant.name for variant in facts.variants[1:]),
        reference=facts.variants[0].name,
        rows=facts.rows,
        lines=tuple(_line(variant) for variant in facts.variants),
        charts=report_charts(facts.variants),
        preprocessing="" if facts.preprocessing is None else describe(facts.preprocessing),
        preprocessing_json="" if facts.preprocessing is None else _pretty(facts.preprocessing),
        done=tuple(_done(variant, variant.recipe) for variant in facts.variants if variant.recipe is not None),
        recipes=tuple((variant.name, _pretty(variant.recipe)) for variant in facts.variants if variant.recipe is not None),
        how=_how(facts),
        seconds=tuple((label, wording.duration(seconds)) for label, seconds in facts.seconds.items()),
        version=__version__,
    )
    return _template().render({f.name: getattr(page, f.name) for f in fields(page)})


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("reports/report.html")


def _measuring_device(variants: Sequence[VariantView]) -> Capabilities | None:
    """Where the newest variant was measured."""
    grids = [variant.grid for variant in sorted(variants, key=lambda variant: variant.created_at) if variant.grid is not None]
    return grids[-1].environment.device if grids else None


def _project_facts(project: ProjectView) -> tuple[tuple[str, str], ...]:
    dataset = project.dataset.description
    images = "" if dataset is None else f", {wording.images(dataset.images)}, {wording.count(dataset.labelled)} labelled"
    return (
        ("Model", f"{project.model.name}, {wording.size(project.original.size_bytes)}"),
        ("Dataset", f"{project.dataset.name}{images}"),
        ("Limit", f"{wording.limit(project.max_drop)} of top-1"),
    )


def _line(variant: VariantView) -> _Line:
    latency, evaluation, paired = latency_of(variant), variant.evaluation, variant.paired
    throughput = "–"
    if paired is not None:
        half = wording.half_width(paired.throughput_fps)
        throughput = f"{wording.fps(paired.throughput_fps.value)} ± {half:.{1 if half < 10 else 0}f}"
    elif variant.grid is not None:
        throughput = wording.fps(variant.grid.best.throughput_fps)
    top1, top1_sub = "–", ""
    if evaluation is not None and evaluation.top1 is not None:
        top1 = wording.percent(evaluation.top1.value)
        low, high = (f"{100 * bound:.1f}" for bound in (evaluation.top1.low, evaluation.top1.high))
        top1_sub = f"{evaluation.top1_correct} of {evaluation.labelled}; {low} to {high} %"
    elif evaluation is not None:
        top1_sub = f"same answer on {evaluation.agreement} of {evaluation.n}"
    top5 = evaluation.top5 if evaluation is not None else None
    return _Line(
        name=variant.name,
        sub=variant.sub,
        colour=COLOUR[variant.method],
        throughput=throughput,
        latency="–" if latency is None else wording.milliseconds(latency.p50),
        tail="" if latency is None else _tail(latency.p90, latency.p95, latency.p99),
        top1=top1,
        top1_sub=top1_sub,
        top5="–" if top5 is None else wording.percent(top5.value),
        size=f"{wording.size(variant.size_bytes)} ({variant.size_ratio:.2f}×)",
        limit="" if variant.limit is None else limit_words(variant.limit),
    )


def _tail(p90: float, p95: float, p99: float) -> str:
    return f"90 %: {wording.milliseconds(p90)}, 95 %: {wording.milliseconds(p95)}, 99 %: {wording.milliseconds(p99)}"


def _done(variant: VariantView, recipe: Recipe) -> tuple[str, str, str, Done]:
    return variant.name, COLOUR[variant.method], kept_in_float(variant), what_was_done(recipe, variant.seconds)


def _how(facts: ReportFacts) -> tuple[str, ...]:
    """How the numbers came about, one line each."""
    lines = []
    if facts.measured_at is not None:
        lines.append(f"Measured {facts.measured_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    if facts.device is not None:
        device = facts.device
        sets = ", ".join(device.instruction_sets) or "no vector instructions known"
        lines.append(f"{device.runtime} {device.version} on {device.cpu}, {device.cores} cores ({sets}); {device.system}.")
    measured = next((v for v in reversed(facts.variants) if v.paired is not None and v.paired_setting is not None), None)
    if measured is not None and measured.paired_setting is not None:
        s = measured.paired_setting
        lines.append(
            f"Speed: {measured.paired_rounds} interleaved rounds, {s.streams} × {s.threads} threads, batch {s.batch}; "
            "ratios with their 95 % interval over paired rounds."
        )
    lines.append("Accuracy: paired per image (Tango's interval of the difference, exact McNemar); single values with Wilson's.")
    return tuple(lines)


def _pretty(value: Any) -> str:
    return json.dumps(to_json(value), indent=1, ensure_ascii=False)
