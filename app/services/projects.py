"""Projects: model + dataset + task + preprocessing + device, with all their variants."""

from __future__ import annotations

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.tasks.classification import ClassificationTask
from app.services.context import Workbench
from app.services.views import ProjectView


def create_project(
    wb: Workbench,
    *,
    name: str,
    model_id: str,
    dataset_id: str,
    preprocessing: Preprocessing,
    task: ClassificationTask,
    runtime: str = "onnxruntime",
) -> ProjectView:
    """Create the project with its FP32 variant and start the baseline, all or nothing.

    Raises:
        WorkbenchError: `name.invalid`, `project.runtime`, `project.classes`.
        ConflictError: `model.not_ready`, `dataset.not_ready`.
    """
    raise NotImplementedError


def list_projects(wb: Workbench, search: str = "") -> tuple[ProjectView, ...]:
    """The user's projects, newest first; `search` looks in the names of project, model and dataset."""
    raise NotImplementedError


def get_project(wb: Workbench, project_id: str) -> ProjectView:
    """Raises NotFoundError `project.not_found`."""
    raise NotImplementedError


def rename_project(wb: Workbench, project_id: str, name: str) -> ProjectView:
    raise NotImplementedError


def set_limit(wb: Workbench, project_id: str, max_drop: float) -> ProjectView:
    """The limit in points that verdicts are given against. Raises WorkbenchError `project.max_drop`."""
    raise NotImplementedError


def delete_project(wb: Workbench, project_id: str) -> None:
    """With its variants and runs; a run in progress is cancelled. Model and dataset stay."""
    raise NotImplementedError
