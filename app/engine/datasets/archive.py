"""Archives opened by content, never unpacked to disk: regular files only, streamed in the order they lie there.

`extractall` of Python's zipfile and tarfile writes outside its folder or runs full on crafted input, filters included
(hostile/MEASURED.md). So members are only read, counted, and kept under names of our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from app.engine.datasets.members import Archive, damage_explained
from app.engine.datasets.tar_archive import TarArchive, tar_stream
from app.engine.datasets.zip_archive import ZipArchive, looks_like_zip
from app.errors import WorkbenchError


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A zip or a tar (plain, gzip, bzip2, xz), told apart by content.

    Raises:
        WorkbenchError: `dataset.not_archive`, `dataset.truncated_archive` (damaged, too), `archive.encrypted`, `archive.links`,
            `archive.unsafe_name`, `archive.duplicate_name`, `archive.overlap`, `archive.method`, `archive.bomb`,
            `archive.too_large`, `archive.too_many_members`; also while iterating and reading.
    """
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise WorkbenchError("dataset.not_archive", "The file is empty (0 bytes).", hint="Upload it again.")
    with ExitStack() as opened:
        file = opened.enter_context(path.open("rb"))
        with damage_explained():
            archive = _archive(file, size_bytes, opened)
        yield archive


def _archive(file: IO[bytes], size_bytes: int, opened: ExitStack) -> Archive:
    if looks_like_zip(file):
        return ZipArchive(file, size_bytes, opened)
    stream = tar_stream(file)
    if stream is not None:
        return TarArchive(stream, file, size_bytes, opened)
    raise WorkbenchError(
        "dataset.not_archive",
        "This file is neither a zip nor a tar archive.",
        hint="Pack the folder with the images as .zip, .tar or .tar.gz.",
    )
