"""Preflight: find out how images become inputs, and show predictions beside labels."""

from __future__ import annotations

from pathlib import Path

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.validation import MAX_SIDE, validate
from app.engine.records import from_json, to_json
from app.errors import NotFoundError, WorkbenchError
from app.services import lookup
from app.services.context import Workbench
from app.services.runs import get_run, run_views
from app.services.starting import start_run
from app.services.views import PreflightView, RunView


def start_preflight(
    wb: Workbench,
    model_id: str,
    dataset_id: str,
    *,
    fixed: Preprocessing | None = None,
    label_offset: int | None = None,
    height: int | None = None,
    width: int | None = None,
) -> RunView:
    """Try the usual ways to prepare images, or only `fixed`.

    Args:
        height, width: Needed when the model leaves them open and nothing is `fixed`.

    Raises:
        NotFoundError: `model.not_found`, `dataset.not_found`.
        ConflictError: `model.not_ready`, `dataset.not_ready`.
        WorkbenchError: `preflight.size`, `preprocessing.…`.
    """
    params = {
        "model_id": model_id,
        "dataset_id": dataset_id,
        "fixed": None if fixed is None else to_json(fixed),
        "label_offset": label_offset,
        "height": height,
        "width": width,
    }
    with wb.database.write() as session:
        _, model = lookup.get_ready_model(session, wb.user_id, model_id)
        lookup.get_ready_dataset(session, wb.user_id, dataset_id)
        if fixed is not None:
            validate(fixed, channels=model.channels, height=model.height, width=model.width, layout=model.layout)
        else:
            _check_side("height", model.height, height)
            _check_side("width", model.width, width)
        run_id = start_run(wb, session, "preflight", params=params)
    return get_run(wb, run_id)


def get_preflight(wb: Workbench, run_id: str) -> PreflightView:
    """Raises NotFoundError `run.not_found`, also when the run is of another kind."""
    with wb.database.read() as session:
        row = lookup.get_run_row(session, wb.user_id, run_id)
        if row.kind != "preflight":
            hint = "Ask for it as a run."
            raise NotFoundError(
                "run.not_found", f"This run is no preflight, but of the kind {row.kind}.", where=run_id, hint=hint
            )
        run = run_views(wb, session, [row], log=True)[0]
        model_id, dataset_id = row.params["model_id"], row.params["dataset_id"]
    if row.result is None:
        return PreflightView(run, None, model_id=model_id, dataset_id=dataset_id)
    from app.engine.stages.preflight import Result  # brings numpy and Pillow: only when there is something to read

    files = row.result["files"]
    return PreflightView(run, from_json(Result, row.result["result"]), tuple(files), model_id, dataset_id)


def preview(wb: Workbench, run_id: str, name: str) -> Path:
    """The picture of a sample as the model receives it. Raises NotFoundError `preflight.no_preview`."""
    with wb.database.read() as session:
        result = lookup.get_run_row(session, wb.user_id, run_id).result or {}
    sha256 = result.get("files", {}).get(name)
    if sha256 is None:
        hint = "`previews` of the preflight lists its pictures."
        raise NotFoundError("preflight.no_preview", f"This preflight has no picture {name!r}.", where=run_id, hint=hint)
    return wb.blobs.path(sha256)


def _check_side(name: str, of_model: int | None, asked: int | None) -> None:
    if asked is not None and not 1 <= asked <= MAX_SIDE:
        message = f"The {name} must be from 1 to {MAX_SIDE} pixels, but is {asked}."
        raise WorkbenchError("preflight.size", message, where=name, hint="224 is usual for classification.")
    if of_model is None and asked is None:
        message = f"The model takes images of any {name}, so the {name} to use must be given."
        raise WorkbenchError("preflight.size", message, where=name, hint="224 is usual for classification.")
    if of_model is not None and asked is not None and of_model != asked:
        message = f"The model's {name} is {of_model}, but {asked} was asked for."
        raise WorkbenchError("preflight.size", message, where=name, hint=f"Leave the {name} out; the model says it itself.")
