"""An uploaded file becomes a model or dataset: bytes first, then all rows and the inspection's job in one transaction.

Order of `adopt_file`: the file's bytes get their second, permanent name (hard link, synced) -> commit -> the old name goes.
A crash before the commit leaves the old name and nothing else that counts; after it, only an old name to remove.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session

from app.services.context import Workbench
from app.services.lookup import Asset
from app.services.starting import start_run
from app.services.views import RunKind
from app.storage.ids import new_id
from app.storage.tables import Dataset, Model


def adopt_file(
    wb: Workbench,
    asset: Asset,
    path: Path,
    filename: str,
    claim: Callable[[Session, str], str] = lambda _session, new: new,
    *,
    keep: bool = False,
) -> str:
    """Take over the file at `path` and start looking into it.

    Args:
        claim: Called in the transaction with the new id; when it returns another id, that one is used and nothing is added.
        keep: Copy the file instead, and leave it where it is.

    Returns:
        The id of the model or dataset.
    """
    facts = wb.blobs.add_file(path, move=not keep)
    table: type[Model | Dataset] = Model if asset == "model" else Dataset
    with wb.database.write() as session:
        new = new_id()
        asset_id = claim(session, new)
        if asset_id == new:
            wb.blobs.record(session, facts)
            session.add(
                table(id=new, owner_id=wb.user_id, name=filename, upload_sha256=facts.sha256, size_bytes=facts.size_bytes)
            )
            kind: RunKind = "inspect-model" if asset == "model" else "inspect-dataset"
            start_run(wb, session, kind, subject_id=new, params={"filename": filename})
    if not keep:
        path.unlink(missing_ok=True)
    return asset_id
