"""Variants: look at one, download its file or the package around it."""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy.orm import Session

from app.services import lookup
from app.services.context import Workbench
from app.services.loading import load_projects
from app.services.mapping.projects import project_view
from app.services.packages import PackageContent, write_package
from app.services.reports import project_report
from app.services.views import Download, ProjectView, VariantView
from app.storage.tables import Variant, utc_now


def get_variant(wb: Workbench, variant_id: str) -> VariantView:
    """Raises NotFoundError `variant.not_found`."""
    with wb.database.read() as session:
        row = lookup.get_variant_row(session, wb.user_id, variant_id)
        return _find(_project_of(wb, session, row), row)


def model_file(wb: Workbench, variant_id: str) -> Download:
    """The ONNX file. Raises NotFoundError `variant.not_found`."""
    with wb.database.read() as session:
        row = lookup.get_variant_row(session, wb.user_id, variant_id)
        project = _project_of(wb, session, row)
    return Download(wb.blobs.path(row.sha256), f"{_stem(project, row)}.onnx")


def package(wb: Workbench, variant_id: str) -> Download:
    """A zip: model.onnx, preprocessing.json, recipe.json, report.html, run_model.py, labels.txt. Same bytes each time.

    The file is temporary: the sender deletes it. Raises NotFoundError `variant.not_found`.
    """
    with wb.database.read() as session:
        row = lookup.get_variant_row(session, wb.user_id, variant_id)
        project = _project_of(wb, session, row)
    variant = _find(project, row)
    content = PackageContent(
        model=wb.blobs.path(row.sha256),
        model_description=project.model.description,
        preprocessing=project.preprocessing,
        task=project.task,
        recipe=variant.recipe,
        report=project_report(wb, project.id, [variant.id]),
        class_names=project.dataset.description.class_names if project.dataset.description else (),
    )
    path = write_package(content, wb.settings.data / "downloads")
    return Download(path, f"{_stem(project, row)}.zip", "application/zip", temporary=True)


def _project_of(wb: Workbench, session: Session, row: Variant) -> ProjectView:
    project = lookup.get_project_row(session, wb.user_id, row.project_id)
    return project_view(load_projects(session, [project])[project.id], wb.settings, utc_now())


def _find(project: ProjectView, row: Variant) -> VariantView:
    return next(variant for variant in project.variants if variant.id == row.id)


def _stem(project: ProjectView, row: Variant) -> str:
    """`mobilenet-v2-int8-default`: the model's name, made safe for every file system, and the method."""
    ascii_name = unicodedata.normalize("NFKD", project.model.name.removesuffix(".onnx")).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_name).strip("-.")[:80] or "model"
    precision = ((row.recipe or {}).get("settings") or {}).get("precision", "int8")
    return f"{name}-{row.method if precision == 'int8' else precision}"
