"""`pixels.npy`, read and written by rows: an ordinary .npy file whose size in memory is that of the rows in use.

A memory map would do the same, but its pages count as the process's memory until the system wants them back, and writing to one
on a full disk is a bus error and not an exception.
"""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from app.errors import WorkbenchError


class PixelFile:
    """(n, height, width, channels) uint8 on disk; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            self.shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
        assert dtype == np.uint8
        self._row_bytes = math.prod(self.shape[1:])
        self._descriptor = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)

    @classmethod
    def create(cls, path: Path, shape: tuple[int, ...]) -> Self:
        """A file of zeros whose space is reserved.

        Raises:
            WorkbenchError: `stage.disk_full`.
        """
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            file.flush()
            try:
                os.posix_fallocate(file.fileno(), 0, file.tell() + math.prod(shape))
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EFBIG):
                    raise
                raise WorkbenchError(
                    "stage.disk_full",
                    f"The prepared samples take {math.prod(shape) / 2**30:.1f} GiB of disk, and there is less left.",
                    hint="Free disk space, or use a smaller dataset.",
                ) from error
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """A copy of consecutive rows."""
        start, stop, step = rows.indices(len(self))
        assert step == 1
        data = os.pread(self._descriptor, (stop - start) * self._row_bytes, self._start + start * self._row_bytes)
        return np.frombuffer(data, np.uint8).reshape(stop - start, *self.shape[1:])

    def write_row(self, row: int, pixels: np.ndarray) -> None:
        """Row number `row`: (height, width, channels) uint8."""
        os.pwrite(self._descriptor, np.ascontiguousarray(pixels).data, self._start + row * self._row_bytes)
