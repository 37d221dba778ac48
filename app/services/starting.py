"""Add a run and its job to a transaction. What each kind of run finds in `Run.params`:

| kind | params | subject_id | project_id |
| --- | --- | --- | --- |
| inspect-model, inspect-dataset | `filename` | the model or dataset | – |
| preflight | `model_id`, `dataset_id`, `fixed` (Preprocessing or null), `label_offset`, `height`, `width` | – | – |
| baseline | – | – | yes |
| optimize | `settings` (QuantizationSettings, the subset clamped) | – | yes |
| compare | `variant_ids`, the reference first | – | yes |
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.services.context import Workbench
from app.services.views import RunKind
from app.storage.ids import new_id
from app.storage.tables import Run


def start_run(
    wb: Workbench,
    session: Session,
    kind: RunKind,
    *,
    subject_id: str | None = None,
    project_id: str | None = None,
    params: dict[str, Any] | None = None,
) -> str:
    """The id of the new run, which is the job's id, too."""
    run = Run(
        id=new_id(),
        owner_id=wb.user_id,
        kind=kind,
        state="queued",
        subject_id=subject_id,
        project_id=project_id,
        params=params or {},
    )
    wb.queue.enqueue(session, run)
    return run.id
