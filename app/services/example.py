"""The example project that comes with the product: a small network and 1,000 pictures of Fashion-MNIST."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.assets import EXAMPLE
from app.engine.graph.description import ModelDescription
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import get_preset
from app.engine.tasks.classification import ClassificationTask
from app.errors import UnavailableError, WorkbenchError
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.datasets import get_dataset
from app.services.lookup import Asset
from app.services.models import get_model
from app.services.projects import create_project, get_project
from app.services.views import DatasetView, ErrorView, ModelView, ProjectView
from app.storage.blobs import hash_file
from app.storage.tables import Dataset, Model, Project

NAME = "Fashion example"
MODEL_FILE, DATASET_FILE = EXAMPLE / "fashion-cnn.onnx", EXAMPLE / "fashion-1000.zip"
POLL_S = 0.2

_loading = threading.Lock()
"""Two clicks load one example."""


def load_example(wb: Workbench, wait_seconds: float = 60) -> ProjectView:
    """The example project with its baseline started; the one that is there when it was loaded before.

    Waits for a worker to look into the two files (some seconds).

    Raises:
        UnavailableError: `example.no_worker` when none did in time.
        WorkbenchError: `example.missing` when the installation has no example.
    """
    with _loading:
        model_id, dataset_id = _add_once(wb, "model", MODEL_FILE), _add_once(wb, "dataset", DATASET_FILE)
        known = _find_project(wb, model_id, dataset_id)
        if known is not None:
            return get_project(wb, known)
        model, _ = _wait_until_ready(wb, model_id, dataset_id, time.monotonic() + wait_seconds)
        assert model.description is not None  # it is ready
        preprocessing, task = example_inputs(model.description)
        return create_project(wb, name=NAME, model_id=model_id, dataset_id=dataset_id, preprocessing=preprocessing, task=task)


def example_inputs(model: ModelDescription) -> tuple[Preprocessing, ClassificationTask]:
    """How the example's pictures become inputs, as it was trained: 0 to 1, three equal channels."""
    preprocessing = get_preset("unit", model.height or 28, model.width or 28, model.channels or 3, model.layout or "NCHW")
    return preprocessing, ClassificationTask(output=model.outputs[0].name, classes=model.classes or 10)


def _add_once(wb: Workbench, asset: Asset, path: Path) -> str:
    if not path.is_file():
        message = "This installation has no example."
        raise WorkbenchError("example.missing", message, where=path.name, hint="Upload a model and a dataset of your own.")
    sha256 = hash_file(path)

    def claim(session: Session, new: str) -> str:
        return _find_asset(session, wb.user_id, asset, sha256) or new

    with wb.database.read() as session:
        known = _find_asset(session, wb.user_id, asset, sha256)
    return known or adopt_file(wb, asset, path, path.name, claim, keep=True)


def _find_asset(session: Session, owner_id: str, asset: Asset, sha256: str) -> str | None:
    table: type[Model | Dataset] = Model if asset == "model" else Dataset
    same = select(table.id).where(table.owner_id == owner_id, table.upload_sha256 == sha256, table.state != "refused")
    return session.scalars(same.order_by(table.id).limit(1)).one_or_none()


def _find_project(wb: Workbench, model_id: str, dataset_id: str) -> str | None:
    of_both = select(Project.id).where(Project.model_id == model_id, Project.dataset_id == dataset_id)
    with wb.database.read() as session:
        return session.scalars(of_both.order_by(Project.id).limit(1)).one_or_none()


def _wait_until_ready(wb: Workbench, model_id: str, dataset_id: str, deadline: float) -> tuple[ModelView, DatasetView]:
    while True:
        model, dataset = get_model(wb, model_id), get_dataset(wb, dataset_id)
        _refuse(model.error or dataset.error)
        if model.state == "ready" and dataset.state == "ready":
            return model, dataset
        if time.monotonic() > deadline:
            message = "No worker has looked into the example's files yet."
            raise UnavailableError("example.no_worker", message, hint="Start a worker (workbench worker) and try again.")
        time.sleep(POLL_S)


def _refuse(error: ErrorView | None) -> None:
    if error is not None:
        raise WorkbenchError(error.code, error.message, where=error.where, hint=error.hint)
