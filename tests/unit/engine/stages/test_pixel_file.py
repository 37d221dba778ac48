from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from app.engine.stages.pixel_file import PixelFile
from app.errors import WorkbenchError

SHAPE = (5, 4, 3, 2)
VALUES = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


def test_rows_written_in_any_order_are_an_ordinary_npy_file(tmp_path: Path) -> None:
    with PixelFile.create(tmp_path / "pixels.npy", SHAPE) as pixels:
        for row in (3, 0, 4, 1, 2):
            pixels.write_row(row, VALUES[row][:, ::-1][:, ::-1])  # not contiguous
    np.testing.assert_array_equal(np.load(tmp_path / "pixels.npy"), VALUES)


def test_file_of_numpy_is_read_by_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", VALUES)
    (tmp_path / "pixels.npy").chmod(0o400)
    with PixelFile(tmp_path / "pixels.npy") as pixels:
        assert (len(pixels), pixels.shape) == (5, SHAPE)
        np.testing.assert_array_equal(pixels[1:4], VALUES[1:4])
        np.testing.assert_array_equal(pixels[3:99], VALUES[3:])


def test_full_disk_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(WorkbenchError, match=r"2\.0 GiB") as refused:
        PixelFile.create(tmp_path / "pixels.npy", (2**31,))
    assert refused.value.code == "stage.disk_full"
