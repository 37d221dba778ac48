"""Workers and the queue."""

from __future__ import annotations

from app.services import runs, workers
from app.services.context import Workbench
from tests.support.rows import store_project, store_run, store_worker


def test_of_each_name_the_living_and_else_the_newest_start(wb: Workbench) -> None:
    for _ in range(2):
        store_worker(wb, name="nuc", state="gone")
    newest = store_worker(wb, name="nuc", state="gone")
    store_worker(wb, name="lab", state="gone")
    living = {store_worker(wb, name="lab") for _ in range(2)}
    shown = workers.list_workers(wb)
    assert {worker.id for worker in shown[:2]} == living
    assert [(worker.id, worker.state) for worker in shown[2:]] == [(newest, "gone")]


def test_the_queue_has_what_runs_first_then_what_waits_in_its_order(wb: Workbench) -> None:
    project = store_project(wb)
    waiting = [runs.start_baseline(wb, project.id).id for _ in range(3)]
    running = store_run(wb, project_id=project.id, kind="baseline")
    queue = workers.get_queue(wb)
    assert (queue.running, queue.waiting) == (1, 3)
    assert [run.id for run in queue.runs] == [running, *waiting]
    assert workers.queue_length(wb) == (1, 3)


def test_nothing_to_do(wb: Workbench) -> None:
    assert workers.list_workers(wb) == ()
    assert workers.get_queue(wb).runs == ()
