"""A real optimization of a small network, with something killed in every one of its stages: it ends once, and completely."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import delete, select

from app.engine.preprocessing.presets import get_preset
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.tasks.classification import ClassificationTask
from app.jobs import pipelines
from app.services import datasets, models, projects, runs
from app.services.context import Workbench, open_workbench
from app.storage.tables import Comparison, Measurement, StageEvent, StageMemo, Variant
from tests.support.archive_builder import tiny_dataset
from tests.support.fault_bench import Bench
from tests.support.model_builder import save, tiny_classifier
from tests.support.processes import wait_for

pytestmark = pytest.mark.slow

STAGES = (
    pipelines.PREPARE,
    pipelines.REFERENCE,
    pipelines.CALIBRATE,
    pipelines.FIT,
    pipelines.TUNE,
    pipelines.QUANTIZE,
    pipelines.COMPARE,
    pipelines.GRID,
    pipelines.PAIRED,
)


class Journey:
    """The services on one side, killable processes on the other."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder, benchmark_seconds=0.05, paired_seconds=1.0)
        self.wb: Workbench = open_workbench(self.bench.settings)

    def start(self, victim: str) -> subprocess.Popen[bytes]:
        return self.bench.start_server("app.worker") if victim == "server" else self.bench.start("app.worker")

    def add_project(self, folder: Path) -> str:
        model = models.add_model(self.wb, save(tiny_classifier(width=64), folder / "tiny.onnx"), "tiny.onnx")
        dataset = datasets.add_dataset(self.wb, tiny_dataset(folder / "tiny.zip", n=30), "tiny.zip")
        for run_id in (model.run_id, dataset.run_id):
            wait_for(lambda run_id=run_id: runs.get_run(self.wb, run_id).state == "succeeded", "the upload was looked into")
        project = projects.create_project(
            self.wb,
            name="tiny",
            model_id=model.id,
            dataset_id=dataset.id,
            preprocessing=get_preset("unit", 32, 32, 3, "NCHW"),
            task=ClassificationTask(output="scores", classes=10),
        )
        assert project.active_run is not None
        self.wait_for_success(project.active_run.id)
        return project.id

    def wait_for_success(self, run_id: str) -> None:
        wait_for(lambda: runs.get_run(self.wb, run_id).state not in ("queued", "running"), "the run is over")
        run = runs.get_run(self.wb, run_id)
        assert (run.state, run.error) == ("succeeded", None)

    def wait_for_start(self, run_id: str, label: str) -> None:
        started = select(StageEvent.id).where(
            StageEvent.run_id == run_id, StageEvent.stage == label, StageEvent.kind == "started"
        )

        def has_started() -> bool:
            with self.wb.database.read() as session:
                return session.scalars(started).first() is not None

        wait_for(has_started, f"“{label}” begins")

    def kill_child(self, process: subprocess.Popen[bytes]) -> None:
        """The stage's process, as soon as there is one."""
        worker = psutil.Process(process.pid)
        wait_for(worker.children, "there is a child")
        for child in worker.children():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def forget_results(self) -> None:
        """So that every stage of the next run is computed."""
        with self.wb.database.write() as session:
            session.execute(delete(StageMemo))


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    journey = Journey(tmp_path)
    yield journey
    journey.bench.close()
    journey.wb.close()
    print(journey.bench.log())
    assert "Traceback" not in journey.bench.log()


@pytest.mark.parametrize("victim", ["worker", "child", "server"])
def test_kill_in_every_stage_of_an_optimization(journey: Journey, tmp_path: Path, victim: str) -> None:
    process = journey.start(victim)
    project_id = journey.add_project(tmp_path)
    journey.forget_results()
    run_id = runs.start_optimize(journey.wb, project_id, QuantizationSettings(subset_size=10)).id
    for label in STAGES:
        journey.wait_for_start(run_id, label)
        if victim == "child":
            journey.kill_child(process)
        else:
            process.kill()
            process.wait()
            process = journey.start(victim)
    journey.wait_for_success(run_id)
    assert_complete_once(journey, project_id, run_id)


def assert_complete_once(journey: Journey, project_id: str, run_id: str) -> None:
    with journey.wb.database.read() as session:
        methods = Counter(session.scalars(select(Variant.method).where(Variant.project_id == project_id)))
        kinds = Counter(session.scalars(select(Measurement.kind).where(Measurement.run_id == run_id)))
        comparisons = session.scalars(select(Comparison).where(Comparison.run_id == run_id)).all()
        finished = Counter(
            session.scalars(select(StageEvent.stage).where(StageEvent.run_id == run_id, StageEvent.kind == "finished"))
        )
    assert methods == {"fp32": 1, "int8-default": 1}
    assert kinds == {"evaluation": 1, "grid": 1}
    assert len(comparisons) == 1
    assert finished == dict.fromkeys(STAGES, 1)
    assert journey.wb.blobs.verify(journey.wb.database).ok
