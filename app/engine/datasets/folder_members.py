"""The files of a local folder, as the CLI is given one. Links are followed: the folder is the user's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.engine.datasets.members import MAXIMUM_MEMBERS
from app.errors import WorkbenchError


@dataclass(frozen=True)
class FolderMember:
    name: str
    size_bytes: int
    _path: Path

    def read(self, size: int = -1) -> bytes:
        """From the beginning, at most the size it had when it was found."""
        with self._path.open("rb") as file:
            return file.read(self.size_bytes if size < 0 else min(size, self.size_bytes))


class FolderMembers:
    """May be gone through several times.

    Raises (meanwhile):
        WorkbenchError: `dataset.too_many_files`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folders: set[str] = set()
        """Seen so far; "" is the root."""

    def __iter__(self) -> Iterator[FolderMember]:
        for number, (folder, name, size_bytes) in enumerate(_walk(self._root, self.folders)):
            if number >= MAXIMUM_MEMBERS:
                raise WorkbenchError(
                    "dataset.too_many_files",
                    f"A folder may hold at most {MAXIMUM_MEMBERS:,} files, but this one holds more.",
                    where=self._root.name,
                    hint="Some thousand images are enough to calibrate and to measure.",
                )
            yield FolderMember(f"{folder}/{name}" if folder else name, size_bytes, self._root / folder / name)


def _walk(root: Path, folders: set[str]) -> Iterator[tuple[str, str, int]]:
    """(folder, name, size) of each regular file in the order of names; a link back to a folder above is not entered again."""
    entered = set()
    for path, inner, names in os.walk(root, followlinks=True):
        status = Path(path).stat()
        if (status.st_dev, status.st_ino) in entered:
            inner.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        inner[:] = sorted(name for name in inner if _is_text(name))
        folder = "" if Path(path) == root else Path(path).relative_to(root).as_posix()
        folders.add(folder)
        for name in sorted(names):
            if _is_text(name) and (size_bytes := _regular_size(Path(path) / name)) is not None:
                yield folder, name, size_bytes


def _is_text(name: str) -> bool:
    """Names that are no UTF-8 cannot be stored as JSON."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _regular_size(path: Path) -> int | None:
    """None for what is no regular file (also at the end of a link): a pipe would block, a device never end."""
    try:
        status = path.stat()
    except OSError:
        return None  # a link that leads nowhere
    return status.st_size if stat.S_ISREG(status.st_mode) else None
