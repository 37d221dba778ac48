"""Projects: created whole or not at all, judged by the engine's verdicts, listed with a fixed number of queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from app.engine.preprocessing.presets import get_preset
from app.engine.tasks.classification import ClassificationTask
from app.errors import ConflictError, NotFoundError, WorkbenchError
from app.services import comparisons, projects, runs, workers
from app.services.context import Workbench
from app.services.loading import TIMED_RUNS, load_projects
from app.storage.tables import Comparison, Measurement, Model, Project, Run, StageEvent, Trial, Variant, utc_now
from tests.support import factories
from tests.support.rows import store_dataset, store_model, store_project, store_run, store_worker

TASK = ClassificationTask("scores", 1000)
PREPROCESSING = get_preset("torchvision", 224, 224, 3, "NCHW")


def create(wb: Workbench, **changes: Any) -> Any:
    values: dict[str, Any] = {"name": "Mine", "preprocessing": PREPROCESSING, "task": TASK}
    values |= {"model_id": changes.pop("model_id", None) or store_model(wb)}
    values |= {"dataset_id": changes.pop("dataset_id", None) or store_dataset(wb)}
    return projects.create_project(wb, **{**values, **changes})


def test_creating_starts_the_baseline(wb: Workbench) -> None:
    project = create(wb)
    assert project.original.name == "FP32"
    assert project.active_run is not None
    assert project.active_run.kind == "baseline"
    assert wb.queue.waiting() == (project.active_run.id,)
    assert project.sentence == "Waiting for a worker."
    assert project.best is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "  "}, "name.invalid"),
        ({"runtime": "openvino"}, "project.runtime"),
        ({"task": replace(TASK, output="nope")}, "project.output"),
        ({"task": replace(TASK, label_offset=1)}, ""),
        ({"task": replace(TASK, label_offset=2)}, "project.labels"),
        ({"task": replace(TASK, label_offset=-1)}, "project.labels"),
        ({"task": replace(TASK, classes=998)}, "project.labels"),
        ({"preprocessing": replace(PREPROCESSING, height=192)}, "preprocessing.does_not_fit"),
        ({"preprocessing": replace(PREPROCESSING, mean=(math.nan,) * 3)}, "preprocessing.not_finite"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_kept(wb: Workbench, changes: dict[str, Any], code: str) -> None:
    if not code:
        assert create(wb, **changes).task.label_offset == 1
        return
    with pytest.raises(WorkbenchError) as caught:
        create(wb, **changes)
    assert caught.value.code == code
    with wb.database.read() as session:
        assert session.scalars(select(func.count()).select_from(Project)).one() == 0
    assert wb.queue.waiting() == ()


def test_a_model_that_is_not_ready_cannot_be_used(wb: Workbench) -> None:
    model_id = store_model(wb)
    for state, message in (("inspecting", "still being looked into"), ("refused", "cannot be used: broken.")):
        with wb.database.write() as session:
            row = session.get_one(Model, model_id)
            row.state, row.error = state, {"code": "x", "message": "broken."}
        with pytest.raises(ConflictError, match=message):
            create(wb, model_id=model_id)


def test_an_fp16_original_is_named_so(wb: Workbench) -> None:
    model = store_model(wb, description=factories.a_model_description(precision="float16"))
    assert create(wb, model_id=model).original.name == "FP16"


def test_the_best_variant_is_the_fastest_inside_the_limit(wb: Workbench) -> None:
    project = store_project(wb)
    view = projects.get_project(wb, project.id)
    assert view.best is not None
    assert view.best.method == "int8-accuracy-aware"
    assert view.original.method == "fp32"
    assert "1.8× faster" in view.sentence
    assert "faster still" in view.detail
    generous = projects.set_limit(wb, project.id, 5.0)
    assert generous.best is not None
    assert generous.best.method == "int8-default"
    strict = projects.set_limit(wb, project.id, 0.0)
    assert strict.best is not None
    assert strict.best.method == "int8-accuracy-aware"  # nothing lost net
    limits = {variant.method: variant.limit.state for variant in strict.variants if variant.limit}
    assert limits == {"int8-accuracy-aware": "kept", "int8-default": "missed"}


@pytest.mark.parametrize("max_drop", [-0.1, math.nan, math.inf, 1e308])
def test_impossible_limits_are_refused(wb: Workbench, max_drop: float) -> None:
    project = store_project(wb)
    with pytest.raises(WorkbenchError) as caught:
        projects.set_limit(wb, project.id, max_drop)
    assert caught.value.code == "project.max_drop"
    assert projects.get_project(wb, project.id).max_drop == 1.0


def test_search_looks_in_the_names_of_project_model_and_dataset(wb: Workbench) -> None:
    store_project(wb, name="First")
    model = store_model(wb, name="squeezenet_100%.onnx")
    store_project(wb, (factories.a_variant(),), name="Second", model_id=model)

    def found(text: str) -> list[str]:
        return [project.name for project in projects.list_projects(wb, text)]

    assert found("") == ["Second", "First"]
    assert found("  fIRST ") == ["First"]
    assert found("squeeze") == ["Second"]
    assert found("imagenet-sample") == ["Second", "First"]
    assert found("100%") == ["Second"]
    assert found("_") == ["Second"]  # only itself, not any character
    assert found("'; DROP TABLE project") == []


def test_deleting_takes_everything_of_the_project_and_nothing_else(wb: Workbench) -> None:
    gone, kept = store_project(wb), store_project(wb, name="Kept")
    run = runs.start_baseline(wb, gone.id)
    store_run(wb, project_id=gone.id, events=[("Rank", "started", 0, 0, "")], trials=factories.trials())
    projects.delete_project(wb, gone.id)
    assert run.id not in wb.queue.waiting()
    with pytest.raises(NotFoundError):
        projects.get_project(wb, gone.id)
    with wb.database.read() as session:
        assert set(session.scalars(select(Variant.project_id))) == {kept.id}
        assert set(session.scalars(select(Run.project_id))) == {kept.id}
        assert session.scalars(select(func.count()).select_from(Measurement)).one() == 6
        for table in (StageEvent, Trial):
            assert session.scalars(select(func.count()).select_from(table)).one() == 0
        assert session.scalars(select(func.count()).select_from(Comparison)).one() == 1
    assert len(projects.get_project(wb, kept.id).variants) == 3


def test_a_failed_baseline_says_why(wb: Workbench) -> None:
    project = store_project(wb, (factories.a_variant(evaluation=None, grid=None, paired=None),))
    error = {"code": "stage.memory", "message": "It needed more memory.", "where": "", "hint": "Raise the limit."}
    store_run(wb, kind="baseline", state="failed", project_id=project.id, error=error)
    view = projects.get_project(wb, project.id)
    assert (view.sentence, view.detail) == ("It needed more memory.", "Raise the limit.")


def test_projects_of_others_are_not_found(wb: Workbench) -> None:
    project = store_project(wb)
    other = replace(wb, user_id="somebody else")
    assert projects.list_projects(other) == ()
    for look in (projects.get_project, projects.delete_project, comparisons.compare, runs.start_baseline):
        with pytest.raises(NotFoundError):
            look(other, project.id)


def test_stages_are_timed_by_the_newest_runs_only(wb: Workbench) -> None:
    project = store_project(wb)
    begun = utc_now()
    for number in range(TIMED_RUNS + 3):
        run_id = store_run(wb, project_id=project.id, state="succeeded")
        with wb.database.write() as session:
            for kind, seconds in (("started", 0), ("finished", number)):
                at = begun + timedelta(seconds=seconds)
                session.add(StageEvent(run_id=run_id, stage="Calibrate", attempt=1, kind=kind, at=at))
    with wb.database.read() as session:
        rows = load_projects(session, [session.get_one(Project, project.id)])[project.id]
    newest = TIMED_RUNS + 2
    assert rows.seconds["Calibrate"] == list(range(newest, newest - TIMED_RUNS, -1))


@contextmanager
def counting(wb: Workbench) -> Iterator[list[str]]:
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(wb.database.engine, "before_cursor_execute", count)
    try:
        yield statements
    finally:
        event.remove(wb.database.engine, "before_cursor_execute", count)


def test_the_number_of_queries_does_not_grow_with_the_rows(wb: Workbench) -> None:
    def fill() -> None:
        project = store_project(wb)
        store_run(
            wb,
            project_id=project.id,
            events=[("Rank", "started", 0, 0, ""), ("Rank", "progress", 1, 9, "")],
            trials=factories.trials(),
        )
        store_worker(wb)

    def measure() -> dict[str, int]:
        one = projects.list_projects(wb)[0].id
        looks = {
            "projects": lambda: projects.list_projects(wb),
            "project": lambda: projects.get_project(wb, one),
            "runs": lambda: runs.list_runs(wb),
            "compare": lambda: comparisons.compare(wb, one),
            "workers": lambda: workers.list_workers(wb),
            "queue": lambda: workers.get_queue(wb),
        }
        counts = {}
        for name, look in looks.items():
            with counting(wb) as statements:
                look()
            counts[name] = len(statements)
        return counts

    fill()
    few = measure()
    for _ in range(2):
        fill()
    assert measure() == few
    assert max(few.values()) < 40
