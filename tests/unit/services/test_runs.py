"""Runs: start, follow, cancel."""

from __future__ import annotations

import pytest

from app.engine.quantize.recipe import QuantizationSettings
from app.errors import NotFoundError, WorkbenchError
from app.jobs.pipelines import CALIBRATE, PREPARE, REFERENCE
from app.services import runs, workers
from app.services.context import Workbench
from app.storage.tables import Run
from tests.support import factories
from tests.support.rows import end_run, store_event, store_project, store_run, store_worker


def test_a_started_run_waits_in_the_queue(wb: Workbench) -> None:
    project = store_project(wb)
    run = runs.start_optimize(wb, project.id, QuantizationSettings(method="accuracy-aware", max_drop=0.5, drop_type="relative"))
    assert (run.state, run.percent, run.seconds_gone, run.seconds_left) == ("queued", 0, 0.0, None)
    assert run.title == "AccuracyAware, limit 0.5 % of the FP32 top-1"
    assert wb.queue.waiting() == (run.id,)
    queue = workers.get_queue(wb)
    assert (queue.running, queue.waiting, queue.runs[0].id) == (0, 1, run.id)
    assert workers.queue_length(wb) == (0, 1)


def test_a_running_run_shows_stages_percent_and_log(wb: Workbench) -> None:
    project = store_project(wb)
    planned = [(label, "planned", 0, 0, "") for label in (PREPARE, REFERENCE, CALIBRATE)]
    run_id = store_run(
        wb,
        project_id=project.id,
        settings=QuantizationSettings(),
        worker_id=store_worker(wb, name="lab"),
        events=[
            *planned,
            (PREPARE, "started", 0, 0, ""),
            (PREPARE, "log", 200, 500, "half way"),
            (PREPARE, "progress", 250, 500, ""),
        ],
    )
    run = runs.get_run(wb, run_id)
    assert [stage.state for stage in run.stages] == ["now", "todo", "todo"]
    assert run.stages[0].message == "250 of 500"
    assert 0 < run.percent < 100
    assert run.seconds_left is not None
    assert [line.message for line in run.log] == ["half way"]
    assert run.worker == "lab"
    assert run.seconds_gone == pytest.approx(521, abs=5)
    assert runs.list_runs(wb, project.id)[0].log == ()
    shown = workers.list_workers(wb)[0].run
    assert shown is not None
    assert shown.id == run_id


def test_the_position_changes_when_there_is_something_new(wb: Workbench) -> None:
    run_id = store_run(wb, project_id=store_project(wb).id)
    assert runs.position(wb, run_id) == (0, "running")
    first = store_event(wb, run_id, PREPARE, "started")
    assert runs.position(wb, run_id) == (first, "running")
    second = store_event(wb, run_id, PREPARE, "log", message="hello")
    assert [event.event_id for event in runs.events_after(wb, run_id, 0)] == [first, second]
    assert [event.message for event in runs.events_after(wb, run_id, first)] == ["hello"]
    end_run(wb, run_id, "succeeded")
    assert runs.position(wb, run_id) == (second, "succeeded")
    assert runs.get_run(wb, run_id).last_event_id == second


def test_cancelling_takes_a_run_out_of_the_queue_and_leaves_a_finished_one(wb: Workbench) -> None:
    project = store_project(wb)
    run = runs.start_baseline(wb, project.id)
    cancelled = runs.cancel_run(wb, run.id)
    assert (cancelled.state, cancelled.sentence) == ("cancelled", "You stopped it.")
    assert wb.queue.waiting() == ()
    finished = project.run_ids[1]
    assert runs.cancel_run(wb, finished).state == "succeeded"


def test_a_finished_search_names_its_variant_and_the_chosen_trial(wb: Workbench) -> None:
    project = store_project(wb)
    run_id = project.run_ids[1]
    run = runs.get_run(wb, run_id)
    assert run.variant_id == project.variant_ids[1]
    assert run.percent == 100
    searched = store_run(wb, project_id=project.id, state="succeeded", trials=factories.trials())
    assert [trial.number for trial in runs.get_run(wb, searched).trials if trial.chosen] == [5]
    going_on = store_run(wb, project_id=project.id, trials=factories.trials())
    assert not any(trial.chosen for trial in runs.get_run(wb, going_on).trials)


def test_the_original_is_always_the_reference_of_a_comparison(wb: Workbench) -> None:
    project = store_project(wb)
    run = runs.start_comparison(wb, project.id, [project.variant_ids[2], project.variant_ids[0], project.variant_ids[2]])
    with wb.database.read() as session:
        assert session.get_one(Run, run.id).params == {"variant_ids": [project.variant_ids[0], project.variant_ids[2]]}


@pytest.mark.parametrize(("pick", "code"), [([], "comparison.too_few"), ([0], "comparison.too_few")])
def test_nothing_is_compared_with_itself(wb: Workbench, pick: list[int], code: str) -> None:
    project = store_project(wb)
    with pytest.raises(WorkbenchError) as caught:
        runs.start_comparison(wb, project.id, [project.variant_ids[index] for index in pick])
    assert caught.value.code == code


def test_variants_of_another_project_are_not_found(wb: Workbench) -> None:
    one, other = store_project(wb), store_project(wb)
    with pytest.raises(NotFoundError):
        runs.start_comparison(wb, one.id, [other.variant_ids[1]])


def test_a_failed_run_says_why(wb: Workbench) -> None:
    error = {"code": "stage.timeout", "message": "It took too long.", "where": "rank", "hint": "Try fewer samples."}
    run = runs.get_run(wb, store_run(wb, state="failed", project_id=store_project(wb).id, error=error))
    assert (run.sentence, run.detail) == ("It took too long.", "Try fewer samples.")
    assert run.error is not None
    assert run.error.where == "rank"
