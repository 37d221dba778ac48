"""The bytes of one upload that have come so far."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Self

from app.errors import ConflictError, TooLargeError, UnavailableError


class PartFile:
    """Appends to the file at `path`, whose size is the offset. A context manager; leaving it makes the bytes durable.

    Held by one writer at a time (flock, so a crash frees it). A write that fails halfway leaves what came: the client asks for
    the offset and goes on from there.

    Raises:
        ConflictError: `upload.busy` while another request writes; `upload.offset` when `offset` is not the file's size.
    """

    def __init__(self, path: Path, size_bytes: int, offset: int) -> None:
        self._size_bytes = size_bytes
        self._name = path.stem
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self.offset = self._lock(offset)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _lock(self, offset: int) -> int:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = "Another request is sending this upload right now."
            raise ConflictError("upload.busy", message, where=self._name, hint="Wait for it, or try again.") from error
        come = os.fstat(self._descriptor).st_size
        if offset != come:
            message = f"Send from byte {come} on: that many have come, not {offset}."
            raise ConflictError("upload.offset", message, where=self._name, hint="Ask for the offset and go on there.")
        return come

    @property
    def complete(self) -> bool:
        return self.offset == self._size_bytes

    def write(self, chunk: bytes) -> None:
        """Append; blocking, so call it from a thread.

        Raises:
            TooLargeError: `upload.too_long` when more comes than was announced; nothing of the chunk is kept.
            UnavailableError: `disk.full`.
        """
        if self.offset + len(chunk) > self._size_bytes:
            message = f"More bytes came than the {self._size_bytes} that were announced."
            raise TooLargeError("upload.too_long", message, where=self._name, hint="Start the upload again.")
        rest = memoryview(chunk)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self.offset += written
                rest = rest[written:]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UnavailableError("disk.full", "The disk of the server is full.", hint="Free some space.") from error
            raise

    def close(self) -> None:
        """Make durable what came, then let the next writer in. Blocking."""
        try:
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
