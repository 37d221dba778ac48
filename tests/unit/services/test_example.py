"""The example: loaded once, whoever asks how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.graph.description import TensorInfo
from app.engine.records import to_json
from app.errors import UnavailableError, WorkbenchError
from app.services import datasets, example, models, projects
from app.services.context import Workbench
from app.storage.tables import Dataset, Model
from tests.support import factories


def look_into_both(wb: Workbench) -> None:
    """What a worker would write."""
    model = factories.a_model_description(
        inputs=(TensorInfo("image", "float32", ("batch", 3, 28, 28)),),
        outputs=(TensorInfo("logits", "float32", ("batch", 10)),),
        height=28,
        width=28,
        classes=10,
    )
    dataset = factories.a_dataset_description(images=1000, labelled=1000, classes=10, label_max=9)
    with wb.database.write() as session:
        for row in session.query(Model):
            row.state, row.description, row.sha256 = "ready", to_json(model), row.upload_sha256
        for found in session.query(Dataset):
            found.state, found.description = "ready", to_json(dataset)


def test_without_a_worker_it_says_so_and_goes_on_later(wb: Workbench) -> None:
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            example.load_example(wb, wait_seconds=0)
        assert caught.value.code == "example.no_worker"
    assert len(models.list_models(wb)) == len(datasets.list_datasets(wb)) == 1
    assert example.MODEL_FILE.is_file()  # copied, not taken over
    look_into_both(wb)
    project = example.load_example(wb, wait_seconds=0)
    assert (project.preprocessing.colour, project.preprocessing.divide_by) == ("RGB", (255.0, 255.0, 255.0))
    assert (project.task.output, project.task.classes) == ("logits", 10)
    assert project.active_run is not None
    assert example.load_example(wb, wait_seconds=0).id == project.id
    assert len(projects.list_projects(wb)) == 1


def test_it_can_be_loaded_again_after_it_was_deleted(wb: Workbench) -> None:
    with pytest.raises(UnavailableError):
        example.load_example(wb, wait_seconds=0)
    look_into_both(wb)
    first = example.load_example(wb, wait_seconds=0)
    projects.delete_project(wb, first.id)
    second = example.load_example(wb, wait_seconds=0)
    assert second.id != first.id
    assert second.model.id == first.model.id


def test_an_installation_without_the_files_says_so(wb: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(example, "MODEL_FILE", tmp_path / "fashion-cnn.onnx")
    with pytest.raises(WorkbenchError) as caught:
        example.load_example(wb)
    assert caught.value.code == "example.missing"
