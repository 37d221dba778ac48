"""Forget what nothing names any more: files of deleted things, and of stages whose results have not been asked for in a week.

Rows go first, in one transaction; their files are then files without a row, which `BlobStore.sweep` removes. So a crash in
between leaves only what the next sweep takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.storage.database import Database
from app.storage.tables import Blob, Dataset, Measurement, Model, Run, StageMemo, Trial, Variant, utc_now

MEMO_UNUSED = timedelta(days=7)
"""Longer than any run: what a run took from the memo at its beginning is there at its end."""
BLOB_UNNAMED = timedelta(days=1)
"""Longer than from the recording of a file to the commit of what names it."""
AT_ONCE = 500
"""Names per statement: databases limit the number of parameters."""

HASH_COLUMNS = (Model.upload_sha256, Model.sha256, Dataset.upload_sha256, Variant.sha256)
FILES_COLUMNS = (Dataset.files, Measurement.files, Trial.files, StageMemo.files)
"""Dictionaries of file name -> sha256."""


def forget_unnamed(database: Database) -> int:
    """Delete the rows of blobs that nothing names; how many. Run `BlobStore.sweep` afterwards."""
    now = utc_now()
    with database.write() as session:
        session.execute(delete(StageMemo).where(StageMemo.used_at < now - MEMO_UNUSED))
        old = session.scalars(select(Blob.sha256).where(Blob.created_at < now - BLOB_UNNAMED)).all()
        unnamed = sorted(set(old) - _named(session)) if old else []
        for start in range(0, len(unnamed), AT_ONCE):
            session.execute(delete(Blob).where(Blob.sha256.in_(unnamed[start : start + AT_ONCE])))
    return len(unnamed)


def _named(session: Session) -> set[str]:
    named: set[str] = set()
    for column in HASH_COLUMNS:
        named.update(sha256 for sha256 in session.scalars(select(column)) if sha256 is not None)
    for files in FILES_COLUMNS:
        named.update(_hashes(session.scalars(select(files))))
    named.update(_hashes((result or {}).get("files") for result in session.scalars(select(Run.result))))
    return named


def _hashes(dictionaries: Iterable[dict[str, str] | None]) -> Iterable[str]:
    return (sha256 for files in dictionaries if files for sha256 in files.values())
