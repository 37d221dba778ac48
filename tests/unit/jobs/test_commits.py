"""What a finished run leaves in the tables: all of it once, found by the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.engine.accuracy_aware.search import Trial
from app.engine.benchmark.results import PairedResult, Setting
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.records import from_json
from app.engine.tasks.results import Evaluation
from app.jobs import commits
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.pipelines import BaselineOutcome, Effort, MeasuredFile, OptimizeOutcome
from app.storage import tables
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.tables import Comparison, Dataset, Measurement, Model, Run, Variant
from tests.support.factories import a_grid, a_paired, a_recipe, an_evaluation
from tests.unit.jobs.conftest import SHA


@pytest.fixture
def artifact(tmp_path: Path, database: Database) -> Artifact:
    """A blob of 9 bytes with its row."""
    path = tmp_path / "file"
    path.write_text("nine byte")
    store = BlobStore(tmp_path / "blobs")
    facts = store.add_file(path)
    with database.write() as session:
        store.record(session, facts)
    return Artifact(store.path(facts.sha256), facts.sha256)


def add_run(database: Database, kind: str = "optimize", number: int = 1, **values: str) -> Run:
    run = Run(id=f"run-{number}", owner_id="alice", kind=kind, project_id="x", worker_id="mine", **values)
    with database.write() as session:
        session.add(run)
    return run


def a_measured_file(artifact: Artifact, **evaluation: int) -> MeasuredFile:
    return MeasuredFile(artifact, an_evaluation(**evaluation), artifact, a_grid())


def an_optimize_outcome(artifact: Artifact) -> OptimizeOutcome:
    from tests.support.factories import a_device  # one environment for both

    environment = a_grid().environment
    assert environment.device == a_device()
    variants = (a_paired(name="fp32"), a_paired(ratio=2.0, name="new"), a_paired(ratio=1.5, name="earlier-variant"))
    return OptimizeOutcome(
        optimized=a_measured_file(artifact, lost=4, gained=2),
        recipe=a_recipe(),
        reference=an_evaluation(),
        trials=(),
        limit=None,
        paired=PairedResult(Setting(2, 1, 1), 20, 0.3, variants, environment),
        effort=Effort({"Quantize": 1.5}, 120.0),
    )


def test_an_inspected_model_is_ready(database: Database, artifact: Artifact) -> None:
    run = add_run(database, "inspect-model", subject_id="x")
    outcome = StageOutcome({"description": {"opset": 13}, "model_file": "model.onnx"}, {"model.onnx": artifact})
    with database.write() as session:
        commits.commit_model(session, run, outcome)
    with database.read() as session:
        model = session.get_one(Model, "x")
    assert (model.state, model.sha256, model.size_bytes, model.description) == ("ready", artifact.sha256, 9, {"opset": 13})


def test_an_inspected_dataset_is_ready(database: Database, artifact: Artifact) -> None:
    run = add_run(database, "inspect-dataset", subject_id="x")
    files = {"index.json": artifact, "thumb-0.jpg": artifact}
    with database.write() as session:
        commits.commit_dataset(session, run, StageOutcome({"description": {"images": 1}}, files))
    with database.read() as session:
        dataset = session.get_one(Dataset, "x")
    assert dataset.state == "ready"
    assert dataset.files == dict.fromkeys(files, artifact.sha256)


def test_a_baseline_measures_the_original_which_is_made_once(database: Database, artifact: Artifact) -> None:
    for number in (1, 2):
        run = add_run(database, "baseline", number)
        with database.write() as session:
            commits.commit_baseline(session, run, BaselineOutcome(a_measured_file(artifact), Effort({}, 1.0)))
    with database.read() as session:
        original = session.scalars(select(Variant)).one()
        kinds = [(m.kind, m.run_id, m.worker_id) for m in session.scalars(select(Measurement).order_by(Measurement.id))]
    assert (original.method, original.run_id, original.sha256) == ("fp32", None, SHA)
    assert kinds == [(kind, run, "mine") for run in ("run-1", "run-2") for kind in ("evaluation", "grid")]


def test_an_optimized_variant_with_everything_about_it(database: Database, artifact: Artifact) -> None:
    run = add_run(database)
    settings = QuantizationSettings(method="accuracy-aware")
    with database.write() as session:
        result = commits.commit_optimize(session, run, settings, an_optimize_outcome(artifact))
    with database.read() as session:
        original = commits.original_variant(session, "x")
        variant = session.get_one(Variant, result["variant_id"])
        measurements = {m.kind: m for m in session.scalars(select(Measurement))}
        comparison = session.scalars(select(Comparison)).one()
    assert (variant.method, variant.name) == ("int8-accuracy-aware", "INT8 AccuracyAware")
    assert (variant.run_id, variant.sha256, variant.size_bytes) == (run.id, artifact.sha256, 9)
    assert from_json(Recipe, variant.recipe) == a_recipe()
    assert from_json(Evaluation, measurements["evaluation"].data) == an_evaluation(lost=4, gained=2)
    assert measurements["evaluation"].files == {"predictions.npz": artifact.sha256}
    names = [entry.name for entry in from_json(PairedResult, comparison.data).variants]
    assert names == [original.id, variant.id, "earlier-variant"]


def test_results_of_a_run_cannot_be_there_twice(database: Database, artifact: Artifact) -> None:
    run = add_run(database)
    for expected in (None, IntegrityError):

        def commit() -> None:
            with database.write() as session:
                commits.commit_optimize(session, run, QuantizationSettings(), an_optimize_outcome(artifact))

        if expected is None:
            commit()
        else:
            with pytest.raises(expected):
                commit()
    with database.read() as session:
        assert len(session.scalars(select(Variant).where(Variant.run_id == run.id)).all()) == 1
        assert len(session.scalars(select(Measurement)).all()) == 2


def test_a_replayed_trial_is_the_same_row(database: Database, artifact: Artifact) -> None:
    run = add_run(database)
    from app.engine.accuracy_aware.verdict import judge_limit

    evaluation = an_evaluation(lost=9, gained=1)
    assert evaluation.top1_drop is not None
    trial = Trial(1, ("conv_1",), evaluation, judge_limit(evaluation.top1_drop, 431, 1.0), 9)
    for _ in range(2):
        with database.write() as session:
            commits.commit_trial(session, run, trial, artifact)
    with database.read() as session:
        row = session.scalars(select(tables.Trial)).one()
    assert from_json(Trial, row.data) == trial
    assert row.files == {"model.onnx": artifact.sha256}
