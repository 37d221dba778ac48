"""Resumable uploads (tus): rows say what is to come, `incoming/<id>.part` holds what has come.

The offset is the size of that file, nothing else, so a crash cannot make the two disagree.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal

from app.errors import WorkbenchError
from app.services.context import Workbench
from app.services.views import UploadView

Kind = Literal["model", "dataset"]


class InsufficientStorageError(WorkbenchError):
    """The disk would run full."""

    status = 507


class PartFile:
    """The bytes of one upload that have come so far. Use as a context manager; leaving it makes them durable.

    Not safe for two writers: the second finds the offset changed at its next request, or `upload.busy` at once.
    """

    def __init__(self, path: Path, size_bytes: int, offset: int) -> None:
        self._path, self._size_bytes, self._offset = path, size_bytes, offset
        self._file: IO[bytes] | None = None

    @property
    def offset(self) -> int:
        return self._offset

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """fsync, then close."""
        raise NotImplementedError


def create_upload(wb: Workbench, kind: Kind, filename: str, size_bytes: int) -> UploadView:
    """Announce a file.

    Raises:
        WorkbenchError: `upload.filename`, `upload.empty`.
        TooLargeError: `upload.too_large`.
        InsufficientStorageError: `upload.disk_full`.
    """
    raise NotImplementedError


def get_upload(wb: Workbench, upload_id: str) -> UploadView:
    """Raises NotFoundError `upload.not_found`."""
    raise NotImplementedError


def list_unfinished(wb: Workbench, kind: Kind) -> tuple[UploadView, ...]:
    """Uploads that can go on where they stopped, newest first."""
    raise NotImplementedError


def open_part(wb: Workbench, upload_id: str, offset: int) -> PartFile:
    """The upload's file, open for writing at `offset`.

    Raises:
        NotFoundError: `upload.not_found`.
        ConflictError: `upload.offset` when another number of bytes has come; `upload.complete`; `upload.busy`.
    """
    raise NotImplementedError


def finish_upload(wb: Workbench, upload_id: str) -> UploadView:
    """Turn a complete upload into a model or dataset and start looking into it. Calling it again changes nothing.

    Raises ConflictError `upload.incomplete` while bytes are missing.
    """
    raise NotImplementedError


def abort_upload(wb: Workbench, upload_id: str) -> None:
    """Forget an upload and its bytes. What it already became stays."""
    raise NotImplementedError


def sweep_parts(wb: Workbench) -> int:
    """Remove part files that no unfinished upload owns (a crash between commit and unlink). For the start of the server."""
    raise NotImplementedError
