"""Decode every sample once, on several threads, and keep the readable ones as they are in a pack.

At no time are more than a few encoded images in memory, however many there are.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from app.engine.datasets.description import Sample
from app.engine.datasets.images import MAX_ENCODED_BYTES, ImageFacts, UnreadableImageError, examine_image
from app.engine.datasets.summary import Findings
from app.errors import WorkbenchError

IN_FLIGHT_PER_THREAD = 4
"""Images read ahead of their examination."""


class File(Protocol):
    """A member of an archive or a folder; readable until the next one is asked for."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def read(self, size: int = -1) -> bytes: ...


class Files(Protocol):
    """An archive, to be gone through once, or a folder."""

    @property
    def folders(self) -> Collection[str]:
        """Those seen so far that are there even if nothing is in them."""

    def __iter__(self) -> Iterator[File]: ...


class Pack:
    """Encoded images one after the other; nothing at all for a folder, whose files stay where they are."""

    def __init__(self, path: Path | None) -> None:
        self._file: RawIOBase | None = None if path is None else path.open("wb", buffering=0)
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def place(self, name: str, label: int | None, facts: ImageFacts, data: bytes) -> Sample:
        """
        Raises:
            WorkbenchError: `stage.disk_full`.
        """
        if self._file is None:
            return Sample(name, label, facts.width, facts.height, path=name)
        _write_all(self._file, data)
        self._end += len(data)
        return Sample(name, label, facts.width, facts.height, self._end - len(data), len(data))


def _write_all(file: RawIOBase, data: bytes) -> None:
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) or 0 :]
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            "stage.disk_full",
            "There is not enough disk left to keep the images.",
            hint="Free disk space, or upload fewer images.",
        ) from error


def examine(
    files: Iterable[File], labels: Mapping[str, int | None], pack: Pack, threads: int, report: Callable[[int], None]
) -> Findings:
    """
    Args:
        files: In the order of the archive; those that `labels` does not name are passed over.
        report: Told how many are done.
    """
    findings = Findings()
    wanted = (file for file in files if file.name in labels)
    for done, (name, data, outcome) in enumerate(_examined(wanted, threads), 1):
        if isinstance(outcome, ImageFacts):
            findings.add(pack.place(name, labels[name], outcome, data), outcome)
        else:
            findings.unreadable[name] = outcome
        report(done)
    return findings


def _examined(files: Iterable[File], threads: int) -> Iterator[tuple[str, bytes, ImageFacts | str]]:
    """(name, encoded bytes, facts or the reason why there are none), in order."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[str, bytes, Future[ImageFacts | str]]] = deque()
        for file in files:
            too_large = file.size_bytes > MAX_ENCODED_BYTES
            data = b"" if too_large else file.read()
            waiting.append((file.name, data, pool.submit(_facts_or_reason, data, too_large=too_large)))
            if len(waiting) > threads * IN_FLIGHT_PER_THREAD:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)


def _first(waiting: deque[tuple[str, bytes, Future[ImageFacts | str]]]) -> tuple[str, bytes, ImageFacts | str]:
    name, data, future = waiting.popleft()
    return name, data, future.result()


def _facts_or_reason(data: bytes, *, too_large: bool) -> ImageFacts | str:
    if too_large:
        return f"larger than {MAX_ENCODED_BYTES >> 20} MiB"
    try:
        return examine_image(data)
    except UnreadableImageError as error:
        return str(error)
    except MemoryError:
        return "it needs more memory than there is"  # some decoders claim theirs before the size is known
