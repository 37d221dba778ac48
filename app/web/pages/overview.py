"""The overview of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.engine.benchmark.results import Cell
from app.engine.tasks.results import Evaluation
from app.services.views import ErrorView, ProjectView, RunView, VariantView
from app.web.figures import grid_chart, pareto, trials_chart
from app.web.figures.pareto import accuracy_percent
from app.web.figures.words import short_name
from app.web.filters import fps, ms, plural, size
from app.web.pages.project import ProjectHead, is_labelled, judged_images, project_head
from app.web.pages.words import (
    Chip,
    device_words,
    fps_spread,
    limit_chip,
    points_text,
    run_method,
    runtime_words,
    speed_chip,
    state_chip,
)

State = Literal["measuring", "unmeasured", "baseline", "variants"]


@dataclass(frozen=True)
class VariantRow:
    variant: VariantView
    best: bool
    is_original: bool
    accuracy: str
    fps_spread: str
    limit: Chip | None
    speed: Chip | None


@dataclass(frozen=True)
class Stat:
    label: str
    value: str
    sub: str
    unit: str = ""


@dataclass(frozen=True)
class OverviewPage:
    head: ProjectHead
    project: ProjectView
    state: State
    """measuring: nothing yet, the baseline is on its way; unmeasured: nothing, and nothing under way."""
    labelled: bool
    n: int
    rows: tuple[VariantRow, ...]
    stats: tuple[Stat, ...]
    """Of the baseline, while it is alone."""
    chart: dict[str, Any] | None
    grid: dict[str, Any] | None
    grid_name: str
    trials: dict[str, Any] | None
    trials_run: str
    download: VariantView | None
    """The best variant, when it is not the original."""
    download_label: str
    measured: str
    limit_text: str
    limit_error: str
    active_run: RunView | None
    run_chip: Chip | None
    run_method: str
    failed: ErrorView | None
    """Why the newest run left nothing, when nothing is measured."""


def overview_page(
    project: ProjectView, *, limit_text: str | None = None, limit_error: str = "", failed: ErrorView | None = None
) -> OverviewPage:
    original = project.original
    optimized = len(project.variants) > 1
    measured = original.evaluation is not None and original.grid is not None
    waiting: State = "measuring" if project.active_run is not None else "unmeasured"
    state: State = "variants" if optimized else "baseline" if measured else waiting
    best, running = project.best, project.active_run
    download = best if best is not None and best.method != "fp32" else None
    in_grid = best if best is not None and best.grid is not None else original
    rows = tuple(_row(variant, best) for variant in _in_order(project))
    return OverviewPage(
        head=project_head(project, "Overview"),
        project=project,
        state=state,
        labelled=is_labelled(project),
        n=judged_images(project),
        rows=rows,
        stats=baseline_stats(original) if measured else (),
        chart=pareto(project.variants, project.max_drop) if state == "variants" else None,
        grid=grid_chart(in_grid),
        grid_name=in_grid.name,
        trials=trials_chart(project.trials, original.evaluation) if len(project.trials) > 1 else None,
        trials_run=next((v.run_id for v in project.variants if v.method == "int8-accuracy-aware"), ""),
        download=download,
        download_label="" if download is None else f"Download {short_name(download)}, {size(download.size_bytes)}",
        measured=how_measured(project),
        limit_text=points_text(project.max_drop) if limit_text is None else limit_text,
        limit_error=limit_error,
        active_run=running,
        run_chip=None if running is None else state_chip(running),
        run_method="fp32" if running is None else run_method(running),
        failed=failed,
    )


def baseline_stats(original: VariantView) -> tuple[Stat, ...]:
    """The grid's highest throughput and lowest latency, each with its setting; accuracy with its interval."""
    assert original.grid is not None
    assert original.evaluation is not None
    best = original.grid.best
    value, _, unit = size(original.size_bytes).partition(" ")
    quick = min(original.grid.cells, key=lambda cell: cell.latency_ms.p50)
    return (
        Stat("Throughput", fps(best.throughput_fps), _setting(best), "FPS"),
        Stat("Latency", ms(quick.latency_ms.p50), f"median, {_setting(quick)}; 99 %: {ms(quick.latency_ms.p99)}", "ms"),
        accuracy_stat(original.evaluation),
        Stat("Size", value, "on disk", unit),
    )


def _setting(cell: Cell) -> str:
    return f"{plural(cell.setting.streams, 'request')} at a time, batch {cell.setting.batch}"


def accuracy_stat(evaluation: Evaluation) -> Stat:
    if evaluation.top1 is None:
        return Stat("Agreement", f"{accuracy_percent(evaluation):.1f} %", f"with FP32, {plural(evaluation.n, 'image')}")
    interval = f"{100 * evaluation.top1.low:.1f} to {100 * evaluation.top1.high:.1f} %"
    return Stat(
        "Top-1", f"{accuracy_percent(evaluation):.1f} %", f"{evaluation.top1_correct:,} of {evaluation.n:,}; {interval}"
    )


def how_measured(project: ProjectView) -> str:
    """Rounds, requests, load, samples, versions: everything behind the numbers in sentences; empty before there are any."""
    if project.original.evaluation is None and project.original.grid is None:
        return ""
    sentences: list[str] = []
    paired = next((v for v in project.variants if v.paired is not None and v.paired_setting is not None), None)
    if paired is not None and paired.paired_setting is not None:
        setting = paired.paired_setting
        requests = f"{plural(setting.streams, 'request')} at a time on {plural(setting.threads, 'thread')} each"
        sentences.append(
            f"Speed: {plural(paired.paired_rounds, 'round')} in turns with FP32, {requests}, batch {setting.batch}; "
            "intervals by bootstrap over paired rounds."
        )
    grid = project.original.grid
    if grid is not None:
        environment = grid.environment
        governor = f", frequency governor “{environment.governor}”" if environment.governor else ""
        load = f"load {environment.load_average:.1f} before the measurement"
        sentences.append(f"Machine: {device_words(environment.device)}, {load}{governor}.")
        sentences.append(f"{runtime_words(environment.device)}, {environment.device.system}.")
    n = judged_images(project)
    if is_labelled(project):
        sentences.append(f"Accuracy on all {plural(n, 'labelled image')}, paired per image with FP32; intervals are 95 %.")
    elif n:
        sentences.append(
            f"Without labels, agreement with FP32 on {plural(n, 'image')} stands in for accuracy; intervals are 95 %."
        )
    return " ".join(sentences)


def _in_order(project: ProjectView) -> list[VariantView]:
    """The best first, then newest, the original last: what a reader looks for comes first."""
    best = project.best.id if project.best is not None else ""
    return sorted(project.variants, key=lambda variant: (variant.method == "fp32", variant.id != best))


def _row(variant: VariantView, best: VariantView | None) -> VariantRow:
    evaluation = variant.evaluation
    return VariantRow(
        variant=variant,
        best=best is not None and best.id == variant.id and variant.method != "fp32",
        is_original=variant.method == "fp32",
        accuracy="–" if evaluation is None else f"{accuracy_percent(evaluation):.1f} %",
        fps_spread="" if variant.paired is None else fps_spread(variant.paired.throughput_fps),
        limit=limit_chip(variant.limit),
        speed=speed_chip(variant.speed),
    )
