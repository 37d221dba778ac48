"""Resumable uploads (tus): rows say what is to come, `incoming/<id>.part` holds what has come.

The offset is the size of that file, nothing else, so a crash cannot make the two disagree.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import ConflictError, TooLargeError, WorkbenchError
from app.services import lookup
from app.services.adoption import adopt_file
from app.services.context import Workbench
from app.services.lookup import Asset
from app.services.names import clean_filename
from app.services.part_file import PartFile
from app.services.views import UploadView
from app.services.wording import size
from app.storage.tables import Upload


class InsufficientStorageError(WorkbenchError):
    """The disk would run full."""

    status = 507


def create_upload(wb: Workbench, kind: Asset, filename: str, size_bytes: int) -> UploadView:
    """Announce a file.

    Raises:
        WorkbenchError: `upload.kind`, `upload.filename`, `upload.empty`.
        TooLargeError: `upload.too_large`.
        InsufficientStorageError: `upload.disk_full`.
    """
    if kind not in ("model", "dataset"):
        message = f"An upload is a model or a dataset, not {kind!r}."
        raise WorkbenchError("upload.kind", message, where="kind", hint="Give `model` or `dataset`.")
    name = clean_filename(filename)
    _check_size(wb, kind, name, size_bytes)
    wb.settings.incoming.mkdir(parents=True, exist_ok=True)
    with wb.database.write() as session:
        row = Upload(owner_id=wb.user_id, kind=kind, filename=name, size_bytes=size_bytes)
        session.add(row)
        session.flush()
        return _view(wb, row)


def get_upload(wb: Workbench, upload_id: str) -> UploadView:
    """Raises NotFoundError `upload.not_found`."""
    with wb.database.read() as session:
        return _view(wb, lookup.get_upload_row(session, wb.user_id, upload_id))


def list_unfinished(wb: Workbench, kind: Asset | None = None) -> tuple[UploadView, ...]:
    """Uploads (of this kind) that can go on where they stopped, newest first."""
    open_rows = select(Upload).where(Upload.owner_id == wb.user_id, Upload.result_id.is_(None)).order_by(Upload.id.desc())
    with wb.database.read() as session:
        rows = session.scalars(open_rows if kind is None else open_rows.where(Upload.kind == kind))
        return tuple(_view(wb, row) for row in rows)


def open_part(wb: Workbench, upload_id: str, offset: int) -> PartFile:
    """The upload's file, open for writing at `offset`.

    Raises:
        NotFoundError: `upload.not_found`.
        ConflictError: `upload.offset` when another number of bytes has come, `upload.busy`, `upload.complete`.
    """
    upload = get_upload(wb, upload_id)
    if upload.result_id:
        hint = "Nothing is left to send; HEAD says what it became."
        raise ConflictError("upload.complete", f"{upload.filename} has come completely.", where=upload_id, hint=hint)
    return PartFile(_part(wb, upload_id), upload.size_bytes, offset)


def finish_upload(wb: Workbench, upload_id: str) -> UploadView:
    """Turn a complete upload into a model or dataset and start looking into it. Calling it again changes nothing.

    Raises ConflictError `upload.incomplete` while bytes are missing.
    """
    upload = get_upload(wb, upload_id)
    part = _part(wb, upload_id)
    if upload.result_id:
        part.unlink(missing_ok=True)  # what a crash between commit and unlink left
        return upload
    if upload.offset != upload.size_bytes:
        message = f"{upload.filename} is not complete: {upload.offset} of {upload.size_bytes} bytes have come."
        raise ConflictError("upload.incomplete", message, where=upload_id, hint="Send the rest first.")

    def claim(session: Session, new: str) -> str:
        row = lookup.get_upload_row(session, wb.user_id, upload_id)
        row.result_id = row.result_id or new  # another request may have been faster
        return row.result_id

    adopt_file(wb, upload.kind, part, upload.filename, claim)
    return get_upload(wb, upload_id)


def abort_upload(wb: Workbench, upload_id: str) -> None:
    """Forget an upload and its bytes. What it already became stays."""
    with wb.database.write() as session:
        session.delete(lookup.get_upload_row(session, wb.user_id, upload_id))
    _part(wb, upload_id).unlink(missing_ok=True)


def sweep_parts(wb: Workbench) -> int:
    """Remove part files that no unfinished upload owns (left by a crash); how many. For the start of the server."""
    with wb.database.read() as session:
        owned = set(session.scalars(select(Upload.id).where(Upload.result_id.is_(None))))
    stale = [path for path in wb.settings.incoming.glob("*.part") if path.stem not in owned]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _check_size(wb: Workbench, kind: Asset, name: str, size_bytes: int) -> None:
    if size_bytes < 1:
        raise WorkbenchError("upload.empty", f"{name} is empty.", where=name, hint="Choose the file again.")
    limit = wb.settings.max_model_bytes if kind == "model" else wb.settings.max_dataset_bytes
    if size_bytes > limit:
        message = f"A {kind} may have at most {size(limit)} here, but {name} has {size(size_bytes)}."
        hint = f"WORKBENCH_MAX_{kind.upper()}_BYTES raises the limit."
        raise TooLargeError("upload.too_large", message, where=name, hint=hint)
    wb.settings.data.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(wb.settings.data).free - wb.settings.min_free_bytes
    if size_bytes > free:
        message = f"{name} has {size(size_bytes)}, but only {size(max(free, 0))} of the server's disk can be filled."
        raise InsufficientStorageError("upload.disk_full", message, where=name, hint="Free some space and try again.")


def _part(wb: Workbench, upload_id: str) -> Path:
    return wb.settings.incoming / f"{upload_id}.part"


def _view(wb: Workbench, row: Upload) -> UploadView:
    if row.result_id:
        offset = row.size_bytes
    else:
        part = _part(wb, row.id)
        offset = part.stat().st_size if part.exists() else 0
    kind = cast("Asset", row.kind)
    return UploadView(row.id, kind, row.filename, row.size_bytes, offset, row.result_id or "")
