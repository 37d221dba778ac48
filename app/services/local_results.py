"""The result of a local optimization: as views for the report and the words, and as the object that `--json` prints. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from app.engine.benchmark.results import Latency, PairedVariant
from app.engine.benchmark.verdict import judge_speed
from app.engine.numerics.intervals import Interval
from app.engine.quantize.recipe import Recipe
from app.engine.records import to_json
from app.engine.tasks.results import Evaluation
from app.jobs.commits import method_and_name
from app.services import wording
from app.services.comparison_rows import Differences, comparison_rows
from app.services.local import LocalOptimization
from app.services.mapping.variants import find_twin, judge, subtitle
from app.services.projects import ORIGINAL_NAMES
from app.services.reports import ReportFacts, render_report
from app.services.run_sentences import optimized_saying
from app.services.sentences import Saying
from app.services.views import Method, VariantView


def variant_views(result: LocalOptimization, now: datetime) -> tuple[VariantView, VariantView]:
    """The original and the optimized file, judged as on the pages."""
    outcome, model = result.outcome, result.project.model
    settings, evaluation = outcome.recipe.settings, outcome.optimized.evaluation
    fp32, new = outcome.paired.variants[0], outcome.paired.variants[1]
    original_bytes, new_bytes = model.file.path.stat().st_size, outcome.optimized.model.path.stat().st_size
    method, name = method_and_name(settings)
    original = VariantView(
        id="fp32",
        project_id="",
        run_id="",
        method="fp32",
        name=ORIGINAL_NAMES[model.description.precision],
        sub=subtitle(None),
        size_bytes=original_bytes,
        size_ratio=1.0,
        created_at=now,
        evaluation=outcome.reference,
        grid=None,
        paired=fp32,
        paired_setting=outcome.paired.setting,
        paired_rounds=outcome.paired.rounds,
        speed=None,
        limit=None,
        recipe=None,
    )
    optimized = replace(
        original,
        id="new",
        method=cast("Method", method),
        name=name,
        sub=subtitle(outcome.recipe),
        size_bytes=new_bytes,
        size_ratio=new_bytes / original_bytes,
        evaluation=evaluation,
        grid=outcome.optimized.grid,
        paired=new,
        speed=judge_speed(new.speedup),
        limit=judge(evaluation, outcome.reference, settings.max_drop, settings.drop_type),
        recipe=outcome.recipe,
        twin=find_twin(outcome.paired),
        seconds=outcome.effort.seconds,
    )
    return original, optimized


def saying(result: LocalOptimization, views: tuple[VariantView, VariantView]) -> Saying:
    """The words of the run's page."""
    return optimized_saying(views[1], result.outcome.recipe.settings, views[0].name)


def report(
    result: LocalOptimization, views: tuple[VariantView, VariantView], seconds: Mapping[str, float], now: datetime
) -> str:
    """The same file as the download of the pages."""
    original, optimized = views
    said = saying(result, views)
    evaluation, paired = optimized.evaluation, optimized.paired
    assert evaluation is not None  # an optimization evaluates and measures what it hands over
    assert paired is not None
    settings = result.outcome.recipe.settings
    differences = Differences(
        paired.speedup,
        paired.latency_ratio,
        evaluation.top1_drop,
        evaluation.top5_drop if evaluation.has_labels else None,
        evaluation,
    )
    project, dataset = result.project, result.project.dataset
    labelled = f"{wording.images(dataset.images)}, {wording.count(dataset.labelled)} labelled"
    return render_report(
        ReportFacts(
            title=f"{result.project.model.name} on {result.project.dataset_name}",
            sentence=said.sentence,
            detail=said.detail,
            facts=(
                ("Model", f"{project.model.name}, {wording.size(original.size_bytes)}"),
                ("Dataset", f"{project.dataset_name}, {labelled}"),
            ),
            variants=views,
            rows=comparison_rows(original, (optimized,), (differences,), settings.max_drop),
            preprocessing=result.project.inputs.preprocessing,
            device=result.outcome.paired.environment.device,
            measured_at=now,
            seconds=seconds,
        )
    )


def as_json(
    result: LocalOptimization, files: Mapping[str, Path], seconds: Mapping[str, float], peak_memory_mb: float
) -> dict[str, Any]:
    """The object of `workbench optimize --json`.

    Args:
        files: `original` and `optimized`.
    """
    outcome = result.outcome
    fp32, new, twin = outcome.paired.variants[0], outcome.paired.variants[1], find_twin(outcome.paired)
    evaluation, limit = outcome.optimized.evaluation, outcome.limit
    drop = evaluation.top1_drop.points if evaluation.top1_drop is not None else None
    return {
        "baseline": _measured(outcome.reference, fp32, original_file(result, files["original"]), files["original"]),
        "optimized": _measured(evaluation, new, outcome.optimized.model.path, files["optimized"]),
        "speedup": with_ci95(new.speedup),
        "drop": None if drop is None else with_ci95(drop),
        "tolerance_met": None if limit is None else limit.state != "missed",
        "seconds": {label: round(value, 3) for label, value in seconds.items()},
        "peak_memory_mb": round(peak_memory_mb, 1),
        "kept_in_float": list(outcome.recipe.kept_in_float),
        "reasons": outcome.recipe.kept_in_float,
        **_decided(outcome.recipe),
        "fp32_rewritten": None if twin is None else _twin_json(twin),
        "preprocessing": to_json(result.project.inputs.preprocessing),
        "agreement": evaluation.agreement / evaluation.n,
        "n": evaluation.n,
        "settings": to_json(outcome.recipe.settings),
        "notices": [notice.message for notice in result.notices],
    }


def _decided(recipe: Recipe) -> dict[str, Any]:
    """Rewrites, noise, kernels as the recipe has them."""
    return {name: to_json(recipe)[name] for name in ("rewrites", "noise", "kernels")}


def _twin_json(twin: PairedVariant) -> dict[str, Any]:
    """FP32 with the same exact rewrites, in the same rounds."""
    latency = latency_json(twin.latency_ms)
    return {"throughput_fps": twin.throughput_fps.value, "latency_ms": latency, "speedup": with_ci95(twin.speedup)}


def original_file(result: LocalOptimization, given: Path) -> Path:
    """The file as it was given; out of an archive, the model that was found in it."""
    return given if given.suffix == ".onnx" else result.project.model.file.path


def with_ci95(interval: Interval) -> dict[str, Any]:
    return {"value": interval.value, "ci95": [interval.low, interval.high]}


def latency_json(latency: Latency) -> dict[str, float]:
    return {name: value for name, value in asdict(latency).items() if name != "n"}


def accuracy_json(evaluation: Evaluation) -> dict[str, float] | None:
    """Fractions; None without labels."""
    if evaluation.top1 is None or evaluation.top5 is None:
        return None
    return {"top1": evaluation.top1.value, "top5": evaluation.top5.value}


def _measured(evaluation: Evaluation, paired: PairedVariant, path: Path, file: Path) -> dict[str, Any]:
    return {
        "accuracy": accuracy_json(evaluation),
        "throughput_fps": paired.throughput_fps.value,
        "latency_ms": latency_json(paired.latency_ms),
        "size_bytes": path.stat().st_size,
        "file": str(file),
    }
