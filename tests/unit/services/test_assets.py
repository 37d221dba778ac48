"""Models and datasets: list, rename, delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConflictError, NotFoundError, WorkbenchError
from app.services import datasets, models
from app.services.context import Workbench
from tests.support import factories
from tests.support.rows import store_blob, store_dataset, store_model, store_project


def test_listing_is_newest_first_with_its_projects(wb: Workbench) -> None:
    project = store_project(wb)
    newest = store_model(wb, name="second.onnx")
    assert [(model.id, model.projects) for model in models.list_models(wb)] == [(newest, 0), (project.model_id, 1)]
    assert [dataset.projects for dataset in datasets.list_datasets(wb)] == [1]


def test_dataset_says_what_it_can_certify(wb: Workbench) -> None:
    """accuracy.md §5.4: 0.96 points at 500 images, 2.2 at 100."""
    of_500 = datasets.get_dataset(wb, store_dataset(wb))
    assert of_500.certifiable_points == pytest.approx(0.96, abs=0.005)
    small = store_dataset(wb, description=factories.a_dataset_description(labelled=100))
    assert datasets.get_dataset(wb, small).certifiable_points == pytest.approx(2.15, abs=0.005)
    unlabelled = store_dataset(wb, description=factories.a_dataset_description(labelled=0))
    assert datasets.get_dataset(wb, unlabelled).certifiable_points is None


@pytest.mark.parametrize(
    ("name", "kept"), [("  My   model ", "My model"), ("Modell für Müller", "Modell für Müller"), ("x" * 200, "x" * 200)]
)
def test_names_are_trimmed(wb: Workbench, name: str, kept: str) -> None:
    assert models.rename_model(wb, store_model(wb), name).name == kept
    assert datasets.rename_dataset(wb, store_dataset(wb), name).name == kept


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "\ud800"])
def test_names_nobody_can_read_are_refused(wb: Workbench, name: str) -> None:
    model_id = store_model(wb)
    with pytest.raises(WorkbenchError) as caught:
        models.rename_model(wb, model_id, name)
    assert caught.value.code == "name.invalid"
    assert models.get_model(wb, model_id).name == "mobilenet-v2.onnx"


def test_what_projects_use_is_not_deleted(wb: Workbench) -> None:
    project = store_project(wb, name="Mine")
    for delete, asset_id in ((models.delete_model, project.model_id), (datasets.delete_dataset, project.dataset_id)):
        with pytest.raises(ConflictError, match="1 project uses it \\(Mine\\)"):
            delete(wb, asset_id)


def test_deleting_what_is_being_inspected_cancels_the_inspection(wb: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"x")
    model = models.add_model(wb, path, "net.onnx")
    assert not path.exists()
    assert wb.queue.waiting() == (model.run_id,)
    models.delete_model(wb, model.id)
    assert wb.queue.waiting() == ()
    with pytest.raises(NotFoundError):
        models.get_model(wb, model.id)


def test_thumbnail_is_a_file_of_the_dataset(wb: Workbench) -> None:
    from app.storage.tables import Dataset

    dataset_id = store_dataset(wb)
    picture = store_blob(wb, b"a picture")
    with wb.database.write() as session:
        row = session.get_one(Dataset, dataset_id)
        row.files = {**(row.files or {}), "thumb-20.jpg": picture}
    assert datasets.thumbnail(wb, dataset_id, 20).read_bytes() == b"a picture"
    with pytest.raises(NotFoundError):
        datasets.thumbnail(wb, dataset_id, 21)
