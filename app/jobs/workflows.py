"""One workflow per kind of run: take the run, call its pipeline, commit the results, say how it ended.

What is outside `DurableExecutor.run` is executed again after a crash; it only reads, or writes what may be written twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.engine.accuracy_aware.search import Trial
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json
from app.engine.tasks.classification import ClassificationTask
from app.errors import WorkbenchError
from app.jobs import commits
from app.jobs.durable import DurableExecutor, WorkerContext
from app.jobs.executor import Artifact
from app.jobs.journal import writing
from app.jobs.lifecycle import RunOverError, begin_run, fail_run, finish_run
from app.jobs.patience import patiently
from app.jobs.pipelines import BenchmarkPlan, ProjectInputs, run_baseline, run_comparison, run_optimize
from app.storage.ids import new_id
from app.storage.tables import Dataset, Model, Project, Run, Variant

MAX_ATTEMPTS = 20
"""Executions of one job. Stages that crash are results; only dying workers bring a job here again."""
SLOWEST_ARCHIVE_BYTES_PER_S = 2e6
"""A dataset of 20 GB may take longer than the time for a model: what any disk and one core manage."""

log = structlog.get_logger()

Commit = Callable[[Session], dict[str, Any]]
Pipeline = Callable[[WorkerContext, DurableExecutor, Run], Commit]


def register_workflows(context: WorkerContext) -> None:
    """Tell DBOS the workflows by their names, the kinds of runs. Once per process, before it is launched."""
    for kind, pipeline in PIPELINES.items():
        DBOS.workflow(name=kind, max_recovery_attempts=MAX_ATTEMPTS)(workflow(context, pipeline))


def workflow(context: WorkerContext, pipeline: Pipeline) -> Callable[[str], None]:
    def execute(run_id: str) -> None:
        run = begin_run(context.database, run_id, context.worker_id)
        if run is None:
            return
        with structlog.contextvars.bound_contextvars(worker=context.worker_id, run=run_id):
            try:
                _execute(context, pipeline, run)
            except RunOverError:
                log.info("run is over")

    return execute


def _execute(context: WorkerContext, pipeline: Pipeline, run: Run) -> None:
    end = (context.database, run.id, context.worker_id)
    try:
        commit = pipeline(context, DurableExecutor(context, run.id), run)
        finish_run(*end, commit)
    except RunOverError:
        raise
    except WorkbenchError as error:
        fail_run(*end, error)
    except Exception as error:
        reference = new_id()
        log.exception("run failed by a mistake of ours", kind=run.kind, reference=reference)
        message = f"The workbench made a mistake ({type(error).__name__}). Its log has the details under {reference}."
        fail_run(*end, WorkbenchError("internal", message, hint="Please report it."))


def inspect_model(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    outcome = executor.run(
        "inspect_model",
        files={"upload": _upload(context, Model, run)},
        params={"filename": run.params["filename"]},
        label="Look into the model",
        wall_seconds=context.settings.inspect_seconds,
    )
    return lambda session: commits.commit_model(session, run, outcome)


def inspect_dataset(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    upload = _upload(context, Dataset, run)
    outcome = executor.run(
        "inspect_dataset",
        files={"upload": upload},
        params={"filename": run.params["filename"]},
        label="Look into the dataset",
        wall_seconds=context.settings.inspect_seconds + upload.path.stat().st_size / SLOWEST_ARCHIVE_BYTES_PER_S,
    )
    return lambda session: commits.commit_dataset(session, run, outcome)


def preflight(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    """`run.params`: `model_id`, `dataset_id`, and every other field is a parameter of the stage."""
    params = dict(run.params)
    with context.database.read() as session:
        model = session.get(Model, params.pop("model_id"))
        dataset = session.get(Dataset, params.pop("dataset_id"))
    if model is None or dataset is None:
        message = "The model or the dataset was deleted before this began."
        raise WorkbenchError("preflight.deleted", message, hint="Choose others and check again.")
    outcome = executor.run(
        "preflight",
        files=_model_and_samples(context, model, dataset),
        params=params,
        label="Preflight",
        memo=False,  # the search ends by the clock: on a quieter machine it may find more
        wall_seconds=context.settings.inspect_seconds,
    )
    return lambda session: commits.commit_preflight(session, run, outcome)


def baseline(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    outcome = run_baseline(executor, _project_inputs(context, run), _plan(context))
    return lambda session: commits.commit_baseline(session, run, outcome)


def optimize(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    """`run.params`: `settings` (QuantizationSettings)."""
    settings = from_json(QuantizationSettings, run.params["settings"])

    def on_trial(trial: Trial, model: Artifact) -> None:
        def write() -> None:
            with writing(context.database) as session:
                commits.commit_trial(session, run, trial, model)

        patiently(write)

    outcome = run_optimize(
        executor, _project_inputs(context, run), settings, _plan(context), others=_others(context, run), on_trial=on_trial
    )
    return lambda session: commits.commit_optimize(session, run, settings, outcome)


def compare(context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    """`run.params`: `variant_ids`, the reference first."""
    ids: list[str] = run.params["variant_ids"]
    with context.database.read() as session:
        variants = {variant.id: variant for variant in session.scalars(select(Variant).where(Variant.id.in_(ids)))}
    models = [(variant_id, _artifact(context, variants[variant_id].sha256)) for variant_id in ids if variant_id in variants]
    if len(models) < 2:
        message = f"A comparison needs 2 variants, but only {len(models)} of those chosen still exist."
        raise WorkbenchError("comparison.too_few", message, hint="Start it again with variants that are there.")
    paired = run_comparison(executor, _project_inputs(context, run), models, _plan(context))
    return lambda session: commits.commit_comparison(session, run, paired)


PIPELINES: dict[str, Pipeline] = {
    "inspect-model": inspect_model,
    "inspect-dataset": inspect_dataset,
    "preflight": preflight,
    "baseline": baseline,
    "optimize": optimize,
    "compare": compare,
}


def _plan(context: WorkerContext) -> BenchmarkPlan:
    settings = context.settings
    return BenchmarkPlan(settings.usable_cores, settings.benchmark_seconds, settings.paired_seconds)


def _others(context: WorkerContext, run: Run) -> list[tuple[str, Artifact]]:
    """The newest INT8 variant of each method, measured again in turns with the new one.

    Looked up anew after a restart, which changes nothing: once the measuring stage is recorded, its files are not asked for.
    """
    with context.database.read() as session:
        query = select(Variant).where(
            Variant.project_id == run.project_id, Variant.run_id.is_not(None), Variant.run_id != run.id
        )
        newest = {variant.method: variant for variant in session.scalars(query.order_by(Variant.id)) if variant.id < run.id}
    return [(variant.id, _artifact(context, variant.sha256)) for variant in newest.values()]


def _project_inputs(context: WorkerContext, run: Run) -> ProjectInputs:
    with context.database.read() as session:
        project = session.get(Project, run.project_id)
        if project is None:
            raise WorkbenchError("run.cancelled", "The project was deleted.")
        files = _model_and_samples(context, project.model, project.dataset)
        return ProjectInputs(
            **files,
            preprocessing=from_json(Preprocessing, project.preprocessing),
            task=from_json(ClassificationTask, project.task),
        )


def _model_and_samples(context: WorkerContext, model: Model, dataset: Dataset) -> dict[str, Any]:
    if model.sha256 is None or dataset.files is None:
        message = "The model or the dataset has not been looked into yet, or was refused."
        raise WorkbenchError("project.not_ready", message, hint="Its page says which; start again when both are ready.")
    files = dataset.files
    pack = _artifact(context, files["samples.pack"]) if "samples.pack" in files else None
    return {"model": _artifact(context, model.sha256), "index": _artifact(context, files["index.json"]), "pack": pack}


def _upload(context: WorkerContext, table: type[Model | Dataset], run: Run) -> Artifact:
    with context.database.read() as session:
        sha256 = session.scalars(select(table.upload_sha256).where(table.id == run.subject_id)).one_or_none()
    if sha256 is None:
        raise WorkbenchError("inspect.deleted", "It was deleted before it was looked into.", hint="Upload it again.")
    return _artifact(context, sha256)


def _artifact(context: WorkerContext, sha256: str) -> Artifact:
    return Artifact(context.blobs.path(sha256), sha256)
