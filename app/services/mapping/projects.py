"""Projects with everything their pages show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.records import from_json
from app.engine.runtimes.base import Capabilities
from app.engine.tasks.classification import ClassificationTask
from app.services.estimates import Work
from app.services.loading import ProjectRows
from app.services.mapping.assets import dataset_view, error_view, model_view
from app.services.mapping.parsed import parsed
from app.services.mapping.runs import run_view, trial_views
from app.services.mapping.variants import variant_views
from app.services.run_sentences import run_saying
from app.services.sentences import Saying, project_saying, speedup
from app.services.views import ErrorView, ProjectView, RunState, RunView, VariantView
from app.settings import Settings

HEAVY_OPERATORS = ("Conv", "Gemm", "MatMul", "ConvTranspose")


def project_view(rows: ProjectRows, settings: Settings, now: datetime) -> ProjectView:
    project = rows.project
    variants = variant_views(rows)
    device = None if rows.worker is None else from_json(Capabilities, rows.worker.device)
    active = None
    if rows.active is not None:
        active = run_view(rows.active, now, work=work_of(rows, variants, settings), variants=variants)
    best = best_variant(variants)
    saying = _saying(rows, variants, best, active)
    return ProjectView(
        id=project.id,
        name=project.name,
        created_at=project.created_at,
        model=model_view(project.model, rows.model_projects, rows.model_run_id),
        dataset=dataset_view(project.dataset, rows.dataset_projects, rows.dataset_run_id),
        preprocessing=from_json(Preprocessing, project.preprocessing),
        task=from_json(ClassificationTask, project.task),
        runtime=project.runtime,
        max_drop=project.max_drop,
        device=device,
        worker="" if rows.worker is None else rows.worker.name,
        variants=variants,
        best=best,
        active_run=active,
        runs=rows.runs,
        sentence=saying.sentence,
        detail=saying.detail,
        trials=trial_views(rows.latest_trials, over=active is None or not active.trials),
    )


def best_variant(variants: Sequence[VariantView]) -> VariantView | None:
    """The fastest variant inside the limit, the original included; None before the baseline."""
    if not variants or variants[0].evaluation is None:
        return None
    gained = [v for v in variants[1:] if v.speed == "faster" and v.limit is not None and v.limit.state != "missed"]
    return max([variants[0], *gained], key=speedup)


def work_of(rows: ProjectRows, variants: Sequence[VariantView], settings: Settings, subset: int | None = None) -> Work:
    """How much a run of this project has to do."""
    model, dataset = _descriptions(rows)
    grid = variants[0].grid if variants else None
    return Work(
        images=dataset.images,
        subset=min(subset or dataset.images, dataset.images),
        multiply_adds=model.multiply_adds or 0,
        groups=sum(model.operators.get(op_type, 0) for op_type in HEAVY_OPERATORS),
        fps=grid.best.throughput_fps if grid else None,
        cores=settings.usable_cores,
        cell_seconds=settings.benchmark_seconds,
        paired_seconds=settings.paired_seconds,
        measured=rows.seconds,
    )


def _descriptions(rows: ProjectRows) -> tuple[ModelDescription, DatasetDescription]:
    """A project is only made of a model and a dataset that are ready, and these have descriptions."""
    model, dataset = rows.project.model, rows.project.dataset
    described = parsed(ModelDescription, model.id, model.description)
    return described, parsed(DatasetDescription, dataset.id, dataset.description)


def _saying(rows: ProjectRows, variants: Sequence[VariantView], best: VariantView | None, active: RunView | None) -> Saying:
    if best is not None:
        return project_saying(variants, best, rows.project.max_drop)
    if active is not None:
        return Saying(active.sentence, active.detail)
    if rows.baseline is not None and rows.baseline.state == "failed":
        return _baseline_saying("failed", error_view(rows.baseline.error))
    if rows.baseline is not None and rows.baseline.state == "cancelled":
        return _baseline_saying("cancelled", None)
    return Saying("The baseline is not measured yet.")


def _baseline_saying(state: RunState, error: ErrorView | None) -> Saying:
    return run_saying("baseline", state, settings=None, stages=(), trials=(), error=error, variant=None, original=None)
