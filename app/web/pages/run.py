"""One run: live while it goes on, an outcome afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from app.engine.tasks.results import Evaluation
from app.services.done import Done, what_was_done
from app.services.run_sentences import kept_in_float
from app.services.views import ProjectView, RunState, RunView, StageView, TrialView, VariantView
from app.web.figures import trials_chart
from app.web.figures.pareto import accuracy_percent
from app.web.figures.words import short_name
from app.web.filters import change, count, duration, fps, ms, plural, size, times, times_spread
from app.web.forms.optimize import OptimizeForm
from app.web.pages.parts import Part
from app.web.pages.project import ProjectHead, is_labelled, project_head
from app.web.pages.words import KINDS, Chip, limit_chip, run_method, state_chip

FlowState = Literal["done", "now", "todo", "failed"]
FLOW: dict[str, tuple[str, ...]] = {
    "prepare": ("Prepare samples", "FP32 accuracy"),
    "quantize": ("Calibrate", "Round weights, correct biases", "Choose by speed", "Quantize"),
    "compare": ("Compare with FP32",),
    "rank": ("Rank layers by harm",),
    "revert": ("Put layers back to FP32",),
    "result": ("Throughput and latency", "Measure against FP32"),
}
"""Box of the diagram -> labels of the stages it stands for (app/jobs/pipelines.py)."""
NOT_FASTER = ("slower", "same", "cannot-tell")
"""Verdicts on the speed after which the original is offered first."""


@dataclass(frozen=True)
class StepLine:
    label: str
    state: Literal["todo", "now", "done", "failed"]
    right: str


@dataclass(frozen=True)
class TrialRow:
    number: int
    layers: int
    change: str
    accuracy: str
    size: str
    limit: Chip | None
    chosen: bool


@dataclass(frozen=True)
class RunOutcome:
    tone: str
    status: str
    icon: str
    meta: str
    stats: tuple[tuple[str, str, str, str], ...]
    actions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunPage:
    head: ProjectHead
    run: RunView
    chip: Chip
    method: Literal["fp32", "int8-default", "int8-accuracy-aware"]
    meta: str
    live: bool
    steps: tuple[StepLine, ...]
    flow: dict[str, tuple[FlowState, str]] | None
    flow_alt: str
    chart: dict[str, Any] | None
    trials: tuple[TrialRow, ...]
    outcome: RunOutcome | None
    done: Done | None
    """Of the variant it made."""
    done_summary: str
    percent: int
    labelled: bool


@dataclass(frozen=True)
class RunRow:
    run: RunView
    chip: Chip
    kind: str
    took: str


@dataclass(frozen=True)
class RunsPage:
    head: ProjectHead
    sentence: str
    part: Part
    rows: tuple[RunRow, ...]


def runs_page(project: ProjectView, counts: Mapping[RunState, int], part: Part, runs: tuple[RunView, ...]) -> RunsPage:
    """
    Args:
        counts: Of all runs of the project by state.
        runs: This part of them.
    """
    under_way = counts.get("queued", 0) + counts.get("running", 0)
    finished = count(counts.get("succeeded", 0))
    counted = f"{plural(sum(counts.values()), 'run')}: {under_way or 'none'} under way, {finished} finished."
    return RunsPage(
        head=project_head(project, "Runs"),
        sentence=counted if runs else "Nothing has run yet.",
        part=part,
        rows=tuple(RunRow(run, state_chip(run), KINDS[run.kind], _took(run)) for run in runs),
    )


def _took(run: RunView) -> str:
    return duration(run.seconds_gone) if run.finished_at is not None and run.started_at is not None else "–"


def run_page(project: ProjectView, run: RunView, variant: VariantView | None) -> RunPage:
    now = next((stage for stage in run.stages if stage.state == "now"), None)
    return RunPage(
        head=project_head(project, "Runs"),
        run=run,
        chip=state_chip(run),
        method=run_method(run),
        meta=_meta(run),
        live=run.is_open,
        steps=tuple(StepLine(stage.label, stage.state, _right(stage)) for stage in run.stages),
        flow=flow_of(run) if run.kind == "optimize" and run.stages else None,
        flow_alt=f"Now: {now.label}, {_right(now)}." if now else run.sentence,
        chart=trials_chart(run.trials, project.original.evaluation),
        trials=tuple(_trial(trial) for trial in reversed(run.trials)),
        outcome=None if run.is_open else outcome_of(project, run, variant),
        done=None if variant is None or variant.recipe is None else what_was_done(variant.recipe, variant.seconds),
        done_summary="" if variant is None else kept_in_float(variant),
        percent=run.percent,
        labelled=is_labelled(project),
    )


@dataclass(frozen=True)
class Banner:
    run: RunView
    chip: Chip
    method: str


def banner_page(run: RunView) -> Banner:
    return Banner(run, state_chip(run), run_method(run))


def flow_of(run: RunView) -> dict[str, tuple[FlowState, str]]:
    """State and small line for every box of the diagram; boxes of several stages show the one that matters."""
    stages = {stage.label: stage for stage in run.stages}
    flow: dict[str, tuple[FlowState, str]] = {}
    for box, labels in FLOW.items():
        known = [stages[label] for label in labels if label in stages]
        flow[box] = _box(known)
    flow["inside"] = _inside(run)
    return flow


def _box(stages: list[StageView]) -> tuple[FlowState, str]:
    if not stages:
        return "todo", ""
    for state in ("failed", "now"):
        if found := [stage for stage in stages if stage.state == state]:
            return state, _right(found[0])
    if all(stage.state == "done" for stage in stages):
        seconds = [stage.seconds for stage in stages if stage.seconds is not None]
        return ("done", duration(sum(seconds))) if seconds else ("todo", "not needed")
    begun = [stage for stage in stages if stage.state == "done"]
    return ("now", "next: " + next(stage.label for stage in stages if stage.state == "todo")) if begun else ("todo", "")


def _inside(run: RunView) -> tuple[FlowState, str]:
    if not run.trials:
        return "todo", ""
    last = run.trials[-1]
    chip = limit_chip(last.limit)
    return "done", f"trial {last.number}: {chip.text.lower() if chip else 'no limit'}"


def outcome_of(project: ProjectView, run: RunView, variant: VariantView | None) -> RunOutcome:
    tone, status, icon = _ending(run, variant)
    stats: list[tuple[str, str, str, str]] = []
    actions: list[tuple[str, str]] = []
    base = f"/projects/{project.id}"
    if variant is not None:
        stats = variant_stats(variant)
        named = f" {short_name(variant)}" if variant.speed in NOT_FASTER else ""
        if variant.speed in NOT_FASTER:
            original = project.original
            actions.append((f"Keep {original.name}, {size(original.size_bytes)}", f"/variants/{original.id}/model.onnx"))
        actions.append((f"Download{named}, {size(variant.size_bytes)}", f"/variants/{variant.id}/model.onnx"))
        actions.append(("Compare with FP32", f"{base}/compare?{urlencode([('v', project.original.id), ('v', variant.id)])}"))
        actions.append(("Package with script and report", f"/variants/{variant.id}/package.zip"))
    if run.kind == "optimize" and (run.state in ("failed", "cancelled") or status == "Finished, limit missed"):
        again = {} if run.settings is None else OptimizeForm.show(run.settings).query()
        actions.append(("Change the settings and start again", f"{base}/optimize?{urlencode(again)}"))
    if run.kind == "compare" and run.state == "succeeded":
        actions.append(("See the comparison", f"{base}/compare"))
    if not actions or run.kind == "baseline":
        actions.append(("To the overview", base))
    return RunOutcome(tone, status, icon, _meta(run), tuple(stats), tuple(actions))


def _ending(run: RunView, variant: VariantView | None) -> tuple[str, str, str]:
    """Tone, words, icon."""
    if run.state != "succeeded":
        chip = state_chip(run)
        return chip.tone, "Cancelled by you" if run.state == "cancelled" else chip.text, chip.icon
    aware = run.settings is not None and run.settings.method == "accuracy-aware"
    chosen = next((trial for trial in run.trials if trial.chosen), None)
    limit = chosen.limit if chosen is not None else None
    if aware and limit is not None and limit.state == "missed":
        return "bad", "Finished, limit missed", ""
    if variant is not None and variant.speed in NOT_FASTER:
        return "none", "Finished, not faster", "info"
    if aware and limit is not None:
        certain = limit.state == "certified"
        return ("good", "Finished, limit kept", "") if certain else ("warn", "Finished, limit kept, not for certain", "")
    return "good", "Finished", ""


def variant_stats(variant: VariantView) -> list[tuple[str, str, str, str]]:
    """Label, value, sub, unit: what the outcome shows of the file it made."""
    stats = []
    if variant.paired is not None:
        speedup, latency = variant.paired.speedup, variant.paired.latency_ms
        ratio = f"{times(speedup.value)} ± {times_spread(speedup)}"
        stats.append(("Throughput", fps(variant.paired.throughput_fps.value), ratio, "FPS"))
        stats.append(("Latency", ms(latency.p50), f"{times(variant.paired.latency_ratio.value)}, median", "ms"))
    if variant.evaluation is not None:
        stats.append(_accuracy(variant.evaluation))
    value, _, unit = size(variant.size_bytes).partition(" ")
    stats.append(("Size", value, times(variant.size_ratio), unit))
    return stats


def _accuracy(evaluation: Evaluation) -> tuple[str, str, str, str]:
    drop = evaluation.top1_drop
    name = "Top-1" if evaluation.has_labels else "Agreement with FP32"
    return name, f"{accuracy_percent(evaluation):.1f} %", f"{change(drop.points)} points" if drop else "", ""


def _trial(trial: TrialView) -> TrialRow:
    drop = trial.evaluation.top1_drop
    return TrialRow(
        number=trial.number,
        layers=len(trial.kept_in_float),
        change=change(drop.points) if drop else "–",
        accuracy=f"{accuracy_percent(trial.evaluation):.1f} %",
        size=size(trial.size_bytes),
        limit=limit_chip(trial.limit),
        chosen=trial.chosen,
    )


def _right(stage: StageView) -> str:
    """What stands at the right of a step: how far, or how long it took."""
    if stage.state == "done":
        return duration(stage.seconds) if stage.seconds is not None else ""
    if stage.state == "now" and stage.total and not stage.message:
        return f"{stage.done:,} of {stage.total:,}"
    return stage.message if stage.state in ("now", "failed") else ""


def _meta(run: RunView) -> str:
    parts = [run.title]
    if run.finished_at is not None:
        parts.append(duration(run.seconds_gone))
    if run.trials:
        parts.append(plural(len(run.trials), "trial"))
    if run.worker:
        parts.append(f"on {run.worker}")
    return ", ".join(parts)
