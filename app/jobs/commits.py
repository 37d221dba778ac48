"""What a finished run leaves in the tables. Each function runs inside the transaction that ends the run.

Rows are keyed by the run, so even a run that is computed twice appears once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.engine.accuracy_aware.search import Trial
from app.engine.benchmark.results import PairedResult
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.pipelines import BaselineOutcome, MeasuredFile, OptimizeOutcome
from app.storage import tables
from app.storage.database import insert_new
from app.storage.ids import new_id
from app.storage.tables import Comparison, Dataset, Measurement, Model, Project, Run, Variant, utc_now

METHODS = {"default": ("int8-default", "Default"), "accuracy-aware": ("int8-accuracy-aware", "AccuracyAware")}
PRECISIONS = {"int8": "INT8", "int8-dynamic": "INT8 dynamic", "float16": "FP16"}


def method_and_name(settings: QuantizationSettings) -> tuple[str, str]:
    """Of the variant that these settings make: `INT8 Default`, `INT8 AccuracyAware`, `INT8 dynamic`, `FP16`."""
    method, name = METHODS[settings.method]
    kind = PRECISIONS[settings.precision]
    return method, kind if settings.precision != "int8" and settings.method == "default" else f"{kind} {name}"


def commit_model(session: Session, run: Run, outcome: StageOutcome) -> dict[str, Any]:
    model = session.get(Model, run.subject_id)
    if model is not None:
        artifact = outcome.files[outcome.result["model_file"]]
        model.state, model.description = "ready", outcome.result["description"]
        model.sha256, model.size_bytes = artifact.sha256, artifact.path.stat().st_size
    return {}


def commit_dataset(session: Session, run: Run, outcome: StageOutcome) -> dict[str, Any]:
    dataset = session.get(Dataset, run.subject_id)
    if dataset is not None:
        dataset.state, dataset.description = "ready", outcome.result["description"]
        dataset.files = _hashes(outcome.files)
        dataset.size_bytes = sum(artifact.path.stat().st_size for artifact in outcome.files.values())
    return {}


def commit_preflight(_session: Session, _run: Run, outcome: StageOutcome) -> dict[str, Any]:
    return {"result": outcome.result, "files": _hashes(outcome.files)}


def commit_baseline(session: Session, run: Run, outcome: BaselineOutcome) -> dict[str, Any]:
    original = original_variant(session, run.project_id or "")
    _add_measurements(session, run, original.id, outcome.original)
    return {"effort": to_json(outcome.effort)}


def commit_trial(session: Session, run: Run, trial: Trial, model: Artifact) -> None:
    """As soon as it is known: it is a point on the page while the search goes on."""
    insert_new(
        session,
        tables.Trial,
        id=new_id(),
        run_id=run.id,
        number=trial.number,
        data=to_json(trial),
        files={"model.onnx": model.sha256},
        created_at=utc_now(),
    )


def commit_optimize(session: Session, run: Run, settings: QuantizationSettings, outcome: OptimizeOutcome) -> dict[str, Any]:
    method, name = method_and_name(settings)
    original = original_variant(session, run.project_id or "")
    model = outcome.optimized.model
    variant = Variant(
        id=new_id(),
        project_id=run.project_id,
        run_id=run.id,
        method=method,
        name=name,
        sha256=model.sha256,
        size_bytes=model.path.stat().st_size,
        recipe=to_json(outcome.recipe),
    )
    session.add(variant)
    session.flush()
    _add_measurements(session, run, variant.id, outcome.optimized)
    paired = _renamed(outcome.paired, {"fp32": original.id, "new": variant.id})
    session.add(Comparison(project_id=run.project_id, run_id=run.id, data=to_json(paired)))
    return {
        "variant_id": variant.id,
        "limit": None if outcome.limit is None else to_json(outcome.limit),
        "reference": to_json(outcome.reference),
        "effort": to_json(outcome.effort),
    }


def commit_comparison(session: Session, run: Run, paired: PairedResult) -> dict[str, Any]:
    session.add(Comparison(project_id=run.project_id, run_id=run.id, data=to_json(paired)))
    return {}


def original_variant(session: Session, project_id: str) -> Variant:
    """The project's FP32 variant, made now if the project was created without."""
    query = select(Variant).where(Variant.project_id == project_id, Variant.run_id.is_(None))
    variant = session.scalars(query).one_or_none()
    if variant is None:
        model = session.get_one(Project, project_id).model
        variant = Variant(
            id=new_id(), project_id=project_id, method="fp32", name="FP32", sha256=model.sha256, size_bytes=model.size_bytes
        )
        session.add(variant)
        session.flush()
    return variant


def _add_measurements(session: Session, run: Run, variant_id: str, measured: MeasuredFile) -> None:
    predictions = {"predictions.npz": measured.predictions.sha256}
    for kind, data, files in (("evaluation", measured.evaluation, predictions), ("grid", measured.grid, {})):
        session.add(
            Measurement(
                variant_id=variant_id, run_id=run.id, worker_id=run.worker_id, kind=kind, data=to_json(data), files=files
            )
        )


def _renamed(paired: PairedResult, names: dict[str, str]) -> PairedResult:
    variants = tuple(replace(variant, name=names.get(variant.name, variant.name)) for variant in paired.variants)
    return replace(paired, variants=variants)


def _hashes(files: Any) -> dict[str, str]:
    return {name: artifact.sha256 for name, artifact in files.items()}
