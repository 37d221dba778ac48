"""Preflights: what is asked, what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.engine.preprocessing.presets import get_preset
from app.engine.records import to_json
from app.errors import NotFoundError, WorkbenchError
from app.services import preflights
from app.services.context import Workbench
from app.storage.tables import Run
from tests.support import factories
from tests.support.rows import store_dataset, store_model, store_preflight, store_run

OPEN = factories.a_model_description(height=None, width=None)


def test_started_with_everything_the_stage_needs(wb: Workbench) -> None:
    model, dataset = store_model(wb), store_dataset(wb)
    fixed = get_preset("unit", 224, 224, 3, "NCHW")
    run = preflights.start_preflight(wb, model, dataset, fixed=fixed, label_offset=1)
    assert wb.queue.waiting() == (run.id,)
    with wb.database.read() as session:
        params = session.get_one(Run, run.id).params
    assert params == {
        "model_id": model,
        "dataset_id": dataset,
        "fixed": to_json(fixed),
        "label_offset": 1,
        "height": None,
        "width": None,
    }
    assert preflights.get_preflight(wb, run.id).result is None


@pytest.mark.parametrize(
    ("model", "asked", "code"),
    [
        (OPEN, {}, "preflight.size"),
        (OPEN, {"height": 224}, "preflight.size"),
        (OPEN, {"height": 224, "width": 0}, "preflight.size"),
        (OPEN, {"height": 224, "width": 10**6}, "preflight.size"),
        (OPEN, {"height": 224, "width": 192}, ""),
        (None, {"height": 192, "width": 224}, "preflight.size"),
        (None, {"fixed": get_preset("unit", 192, 192, 3, "NCHW")}, "preprocessing.does_not_fit"),
        (OPEN, {"fixed": get_preset("unit", 192, 192, 3, "NCHW")}, ""),
        (
            OPEN,
            {"fixed": replace(get_preset("unit", 192, 192, 3, "NCHW"), divide_by=(0.0, 1.0, 1.0))},
            "preprocessing.divide_by_zero",
        ),
    ],
)
def test_sizes_must_be_known_and_fit(wb: Workbench, model: Any, asked: dict[str, Any], code: str) -> None:
    ids = store_model(wb, description=model), store_dataset(wb)
    if not code:
        assert preflights.start_preflight(wb, *ids, **asked).state == "queued"
        return
    with pytest.raises(WorkbenchError) as caught:
        preflights.start_preflight(wb, *ids, **asked)
    assert caught.value.code == code
    assert wb.queue.waiting() == ()


def test_a_finished_one_gives_its_result_and_pictures(wb: Workbench) -> None:
    found = factories.a_preflight_result()
    view = preflights.get_preflight(wb, store_preflight(wb, store_model(wb), store_dataset(wb), found))
    assert view.result == found
    assert view.previews == found.preview_files
    assert preflights.preview(wb, view.run.id, view.previews[0]).read_bytes()[:2] == b"\xff\xd8"
    with pytest.raises(NotFoundError):
        preflights.preview(wb, view.run.id, "../../etc/passwd")


def test_other_runs_are_not_preflights(wb: Workbench) -> None:
    with pytest.raises(NotFoundError):
        preflights.get_preflight(wb, store_run(wb, kind="baseline"))
