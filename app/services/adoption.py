"""An uploaded file becomes a model or dataset: bytes first, then all rows and the inspection's job in one transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from app.services.context import Workbench
from app.services.lookup import Asset


def adopt_file(wb: Workbench, asset: Asset, path: Path, filename: str) -> str:
    """Take over the file at `path`; the id of the new model or dataset."""
    raise NotImplementedError


def cancel_inspection(wb: Workbench, session: Session, subject_id: str) -> None:
    """Stop looking into a model or dataset that is being deleted."""
    raise NotImplementedError
