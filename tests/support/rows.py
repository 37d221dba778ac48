"""Rows in a real database: projects, runs and workers as the worker would leave them.

What is stored comes from `tests.support.factories`, so that a page over these rows shows the numbers of the mock-up.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy.orm import Session

from app.engine.benchmark.results import Environment, PairedResult
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.engine.stages.preflight import Result
from app.services.context import Workbench
from app.services.views import VariantView
from app.storage.ids import new_id
from app.storage.tables import (
    Comparison,
    Dataset,
    Measurement,
    Model,
    Project,
    Run,
    StageEvent,
    Trial,
    Variant,
    Worker,
    utc_now,
)
from tests.support import factories

NOT_OPENED = b"the web opens no uploaded file"
PICTURES = 3
"""Different previews of a preflight: each is a file with its own sync."""


@dataclass(frozen=True)
class StoredProject:
    id: str
    variant_ids: tuple[str, ...]
    """In the order of the views they were made from."""
    run_ids: tuple[str, ...]
    """That made them; "" for the original."""
    model_id: str
    dataset_id: str


def store_worker(wb: Workbench, **changes: Any) -> str:
    with wb.database.write() as session:
        values = {"name": "lab-xeon", "host": "lab-xeon", "pid": 1, "device": to_json(factories.a_device()), **changes}
        row = Worker(id=new_id(), **values)
        session.add(row)
        return row.id


def store_model(wb: Workbench, *, description: Any = None, **changes: Any) -> str:
    """A model that is ready; its file holds no network."""
    sha256 = store_blob(wb, NOT_OPENED)
    with wb.database.write() as session:
        return _add_model(wb, session, sha256, description, **changes)


def store_dataset(wb: Workbench, *, description: Any = None, **changes: Any) -> str:
    sha256 = store_blob(wb, NOT_OPENED)
    with wb.database.write() as session:
        return _add_dataset(wb, session, sha256, description, **changes)


def _add_model(wb: Workbench, session: Session, sha256: str, description: Any = None, **changes: Any) -> str:
    described = to_json(factories.a_model_description() if description is None else description)
    values = {"name": "mobilenet-v2.onnx", "state": "ready", "size_bytes": 14_000_000, "description": described, **changes}
    row = Model(id=new_id(), owner_id=wb.user_id, upload_sha256=sha256, sha256=sha256, **values)
    session.add(row)
    session.flush()
    return row.id


def _add_dataset(wb: Workbench, session: Session, sha256: str, description: Any = None, **changes: Any) -> str:
    described = to_json(factories.a_dataset_description() if description is None else description)
    values = {"name": "imagenet-sample-500", "state": "ready", "size_bytes": 55_000_000, "description": described, **changes}
    files = {"index.json": sha256, "samples.pack": sha256}
    row = Dataset(id=new_id(), owner_id=wb.user_id, upload_sha256=sha256, files=files, **values)
    session.add(row)
    session.flush()
    return row.id


def store_blob(wb: Workbench, content: bytes) -> str:
    part = wb.settings.data / f"{new_id()}.bin"
    part.write_bytes(content)
    facts = wb.blobs.add_file(part, move=True)
    with wb.database.write() as session:
        wb.blobs.record(session, facts)
    return facts.sha256


def store_project(
    wb: Workbench,
    variants: Sequence[VariantView] | None = None,
    *,
    name: str = "MobileNet-v2 on ImageNet-500",
    model_id: str = "",
    predictions: bool = False,
    **changes: Any,
) -> StoredProject:
    """A project whose variants have these measurements; all of them in one paired comparison.

    The first view is the original. An original without evaluation is a project before its baseline.
    predictions: Store the verdicts per image too, for comparisons against another reference.
    """
    views = factories.three_variants() if variants is None else tuple(variants)
    labelled = views[0].evaluation is None or views[0].evaluation.has_labels
    described = factories.a_dataset_description(**({} if labelled else {"labelled": 0, "classes": 0}))
    example = factories.a_project()
    file = store_blob(wb, NOT_OPENED)
    verdicts = [store_predictions(wb, view) if predictions else "" for view in views]
    with wb.database.write() as session:
        row = Project(
            id=new_id(),
            owner_id=wb.user_id,
            name=name,
            model_id=model_id or _add_model(wb, session, file),
            dataset_id=_add_dataset(wb, session, file, described),
            **{"preprocessing": to_json(example.preprocessing), "task": to_json(example.task), **changes},
        )
        session.add(row)
        session.flush()
        stored = [_store_variant(wb, session, row.id, view, sha) for view, sha in zip(views, verdicts, strict=True)]
        if all(view.paired is not None for view in views) and len(views) > 1:
            for view, variant in zip(views, stored, strict=True):
                if view.twin is not None and variant.run_id is not None:
                    names = [stored[0].id, variant.id, "fp32-rewritten"]
                    pairs = [views[0], view, replace(view, paired=view.twin)]
                    _store_comparison(wb, session, row.id, pairs, names, run_id=variant.run_id)
            _store_comparison(wb, session, row.id, views, [variant.id for variant in stored])
        return StoredProject(
            id=row.id,
            variant_ids=tuple(variant.id for variant in stored),
            run_ids=tuple(variant.run_id or "" for variant in stored),
            model_id=row.model_id,
            dataset_id=row.dataset_id,
        )


def store_run(
    wb: Workbench,
    *,
    kind: str = "optimize",
    state: str = "running",
    project_id: str | None = None,
    settings: QuantizationSettings | None = None,
    events: Sequence[tuple[str, str, int, int, str]] = (),
    trials: Sequence[Any] = (),
    **changes: Any,
) -> str:
    """A run with its events (stage, kind, done, total, message) and trials (views)."""
    now = utc_now()
    params = {"settings": to_json(settings)} if settings is not None else {}
    times: dict[str, Any] = {"created_at": now - timedelta(minutes=9)}
    if state != "queued":
        times["started_at"] = now - timedelta(minutes=8, seconds=41)
    if state in ("succeeded", "failed", "cancelled"):
        times["finished_at"] = now
    run = Run(
        id=new_id(),
        owner_id=wb.user_id,
        kind=kind,
        state=state,
        project_id=project_id,
        **{"params": params, **times, **changes},
    )
    with wb.database.write() as session:
        session.add(run)
        session.flush()
        for trial in trials:
            session.add(Trial(run_id=run.id, number=trial.number, data=_trial_json(trial)))
        for event in events:
            _add_event(session, run.id, *event)
        return run.id


def store_preflight(wb: Workbench, model_id: str, dataset_id: str, result: Result | None = None, **changes: Any) -> str:
    """A preflight that succeeded with this result and its pictures; state= and error= for the others."""
    found = result or factories.a_preflight_result()
    params = {
        "model_id": model_id,
        "dataset_id": dataset_id,
        "fixed": None,
        "label_offset": None,
        "height": None,
        "width": None,
    }
    values = {"kind": "preflight", "state": "succeeded", "params": params, **changes}
    if values["state"] == "succeeded":
        pictures = [store_blob(wb, _jpeg(number)) for number in range(PICTURES)]
        files = {name: pictures[number % PICTURES] for number, name in enumerate(found.preview_files)}
        values["result"] = {"result": to_json(found), "files": files}
    return store_run(wb, **values)


def _jpeg(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), ((37 * number) % 256, (91 * number) % 256, 150)).save(out, "JPEG")
    return out.getvalue()


def store_event(wb: Workbench, run_id: str, stage: str, kind: str, done: int = 0, total: int = 0, message: str = "") -> int:
    with wb.database.write() as session:
        return _add_event(session, run_id, stage, kind, done, total, message)


def _add_event(session: Session, run_id: str, stage: str, kind: str, done: int, total: int, message: str) -> int:
    row = StageEvent(run_id=run_id, stage=stage, attempt=1, kind=kind, done=done, total=total, message=message)
    session.add(row)
    session.flush()
    return row.id


def end_run(wb: Workbench, run_id: str, state: str, **changes: Any) -> None:
    with wb.database.write() as session:
        run = session.get_one(Run, run_id)
        run.state, run.finished_at = state, utc_now()
        for name, value in changes.items():
            setattr(run, name, value)


def store_predictions(wb: Workbench, view: VariantView) -> str:
    """Verdicts per image that give the view's counts: the first images are those FP32 has right."""
    evaluation = view.evaluation
    if evaluation is None:
        return ""
    drop, n = evaluation.top1_drop, evaluation.n
    correct = np.zeros(n, bool)
    correct[: factories.FP32_CORRECT] = True
    top1 = np.zeros(n, np.int32)
    if drop is not None:
        correct[: drop.lost] = False
        correct[factories.FP32_CORRECT : factories.FP32_CORRECT + drop.gained] = True
        top1[: drop.lost] = 1
    path = wb.settings.data / f"{new_id()}.npz"
    top5 = np.tile(np.arange(5, dtype=np.int32), (n, 1))
    top5[:, 0] = top1
    np.savez(
        path,
        top1=top1,
        top5=top5,
        correct1=correct,
        correct5=correct,
        labelled=np.full(n, evaluation.has_labels),
        margin=np.ones(n, np.float32),
    )
    return store_blob(wb, path.read_bytes())


def _store_variant(wb: Workbench, session: Session, project_id: str, view: VariantView, predictions: str) -> Variant:
    is_original = view.method == "fp32"
    kind = "baseline" if is_original else "optimize"
    usual = QuantizationSettings() if view.recipe is None else view.recipe.settings
    settings = replace(usual, method="accuracy-aware" if view.method == "int8-accuracy-aware" else "default")
    now = utc_now()
    run = Run(
        id=new_id(),
        owner_id=wb.user_id,
        kind=kind,
        state="succeeded",
        project_id=project_id,
        params={} if is_original else {"settings": to_json(settings)},
        created_at=now,
        started_at=now,
        finished_at=now + timedelta(minutes=3),
    )
    project = session.get_one(Project, project_id)
    recipe = None if view.recipe is None else replace(view.recipe, settings=settings)
    row = Variant(
        id=new_id(),
        project_id=project_id,
        run_id=None if is_original else run.id,
        method=view.method,
        name=view.name,
        sha256=project.model.sha256,
        size_bytes=view.size_bytes,
        recipe=None if recipe is None else to_json(recipe),
    )
    session.add(run)
    session.flush()
    session.add(row)
    session.flush()
    run.result = {"variant_id": row.id, "limit": None if view.limit is None else to_json(view.limit)}
    if view.seconds:
        run.result["effort"] = {"seconds": view.seconds, "peak_memory_mb": 412.0}
    files = {"predictions.npz": predictions} if predictions else {}
    for measured, value in (("evaluation", view.evaluation), ("grid", view.grid)):
        if value is not None:
            session.add(
                Measurement(id=new_id(), variant_id=row.id, run_id=run.id, kind=measured, data=to_json(value), files=files)
            )
    return row


def _store_comparison(
    wb: Workbench, session: Session, project_id: str, views: Sequence[VariantView], ids: Sequence[str], run_id: str = ""
) -> None:
    """run_id: of the run that measured it; a comparison of its own when empty."""
    if not run_id:
        run_id = new_id()
        session.add(Run(id=run_id, owner_id=wb.user_id, kind="compare", state="succeeded", project_id=project_id, params={}))
        session.flush()
    named = [replace(view.paired, name=name) for view, name in zip(views, ids, strict=True) if view.paired is not None]
    assert views[0].paired_setting is not None
    paired = PairedResult(
        setting=views[0].paired_setting,
        rounds=12,
        slice_seconds=0.5,
        variants=tuple(named),
        environment=Environment(device=factories.a_device(), load_average=0.1, governor="performance"),
    )
    session.add(Comparison(id=new_id(), project_id=project_id, run_id=run_id, data=to_json(paired)))


def _trial_json(trial: Any) -> dict[str, Any]:
    """A stored `app.engine.accuracy_aware.search.Trial`: a view without `chosen`, which follows from the others."""
    return {
        "number": trial.number,
        "kept_in_float": list(trial.kept_in_float),
        "evaluation": to_json(trial.evaluation),
        "limit": to_json(trial.limit),
        "size_bytes": trial.size_bytes,
    }
