"""Files that never change, kept under their sha256 in a local folder: `sha256/ab/<sha256>`.

The order that makes "acknowledged" mean "kept" (reliability.md §4): write a part -> fsync it -> link it to its name -> fsync
the folder -> commit the row. A row never names a missing file; a file without a row is swept after a day.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError, UnavailableError
from app.storage.database import Database, insert_new
from app.storage.ids import new_id
from app.storage.tables import Blob, utc_now

CHUNK_BYTES = 1 << 20
SWEEP_AFTER_S = 24 * 3600
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobFacts:
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class BlobReport:
    """What `verify` found, each a tuple of sha256."""

    checked: int
    missing: tuple[str, ...]
    """The database names it, but there is no file."""
    wrong: tuple[str, ...]
    """The content is not what the name says."""
    extra: tuple[str, ...]
    """A file that the database does not name (yet): harmless."""

    @property
    def ok(self) -> bool:
        return not self.missing and not self.wrong


class BlobStore:
    def __init__(self, root: Path) -> None:
        self._names = root / "sha256"
        self._parts = root / "parts"
        for folder in (self._names, self._parts):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the bytes lie: for reading only."""
        if not SHA256.fullmatch(sha256):
            message = f"A blob is named by 64 hexadecimal digits, not by {sha256[:80]!r}."
            raise NotFoundError("blob.unknown", message, hint="Take the name from the answer that gave the file.")
        return self._names / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def add_file(self, path: Path, *, move: bool = False) -> BlobFacts:
        """Keep the content of `path` durably. The caller then commits the row (`record`) in its own transaction.

        Args:
            move: Take the file over without copying, as a hard link. Nobody may write to it any more. The caller removes
                the old name after its commit, so a crash in between loses nothing.

        Raises:
            UnavailableError: `disk.full`.
        """
        part = self._parts / new_id()
        try:
            if move:
                _link_or_copy(path, part)
            else:
                _copy(path, part)
            return self._publish(part)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UnavailableError("disk.full", "The disk of the server is full.", hint="Free some space.") from error
            raise
        finally:
            part.unlink(missing_ok=True)

    def record(self, session: Session, facts: BlobFacts) -> None:
        """Insert the row, or renew the one that is there. The transaction's write lock keeps `sweep` away until it commits.

        Raises:
            UnavailableError: `blob.swept` when the file, unnamed for a day, was swept before this: add it again.
        """
        now = utc_now()
        if not insert_new(session, Blob, sha256=facts.sha256, size_bytes=facts.size_bytes, created_at=now):
            session.execute(update(Blob).where(Blob.sha256 == facts.sha256).values(created_at=now))
        if not self.exists(facts.sha256):
            raise UnavailableError("blob.swept", "The file was removed before it was recorded.", hint="Try again.")

    def delete(self, sha256: str) -> None:
        """Remove the file; the caller has committed the removal of its row."""
        self.path(sha256).unlink(missing_ok=True)

    def sweep(self, database: Database, older_than_s: float = SWEEP_AFTER_S) -> int:
        """Remove files that no row names and nobody touched for a day; how many."""
        limit = time.time() - older_than_s
        old = [path for path in self._files() if path.stat().st_ctime < limit]
        for part in self._parts.iterdir():
            if part.stat().st_ctime < limit:
                part.unlink(missing_ok=True)
        if not old:
            return 0
        with database.write() as session:
            if not database.is_sqlite:
                session.execute(text("LOCK TABLE blob IN EXCLUSIVE MODE"))
            named = set(session.scalars(select(Blob.sha256)))
            unnamed = [path for path in old if path.name not in named and path.stat().st_ctime < limit]
            for path in unnamed:
                path.unlink()
        return len(unnamed)

    def verify(self, database: Database, *, content: bool = True) -> BlobReport:
        """Compare names, and with `content` every byte, with what the database says."""
        present = {path.name: path for path in self._files()}
        with database.read() as session:
            rows = session.execute(select(Blob.sha256, Blob.size_bytes))
            named = {row.sha256: row.size_bytes for row in rows}
        wrong = [name for name, path in present.items() if name in named and _is_wrong(path, named[name], content=content)]
        return BlobReport(
            checked=len(named),
            missing=tuple(sorted(named.keys() - present.keys())),
            wrong=tuple(sorted(wrong)),
            extra=tuple(sorted(present.keys() - named.keys())),
        )

    def _publish(self, part: Path) -> BlobFacts:
        """Hash and sync `part`, then give it its name."""
        facts = BlobFacts(_hash_and_sync(part), part.stat().st_size)
        final = self.path(facts.sha256)
        if not final.parent.is_dir():
            final.parent.mkdir(exist_ok=True)
            _sync_folder(self._names)
        try:
            os.link(part, final)
        except FileExistsError:
            if final.stat().st_size == facts.size_bytes:
                os.utime(final)  # renews the day that `sweep` waits
            else:
                part.replace(final)  # damaged on disk: heal it
        final.chmod(0o444)
        _sync_folder(final.parent)
        return facts

    def _files(self) -> Iterator[Path]:
        return (path for path in self._names.glob("*/*") if SHA256.fullmatch(path.name))


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_wrong(path: Path, size_bytes: int, *, content: bool) -> bool:
    return path.stat().st_size != size_bytes or (content and hash_file(path) != path.name)


def _hash_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            writer.write(chunk)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        _copy(source, target)
