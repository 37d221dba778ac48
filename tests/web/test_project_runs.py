"""Runs: live parts, outcomes, events, cancel, list."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from app.engine.quantize.recipe import QuantizationSettings
from app.errors import WorkbenchError
from app.services import projects, runs
from app.services.context import Workbench
from app.web.routes.runs import follow_run
from tests.support import rows
from tests.support.factories import HOSTILE, a_default, a_told_recipe, a_variant, trials
from tests.support.pages import fragment, squeezed, whole_page

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
LABELS = (
    "Prepare samples",
    "FP32 accuracy",
    "Calibrate",
    "Round weights, correct biases",
    "Choose by speed",
    "Quantize",
    "Compare with FP32",
    "Rank layers by harm",
    "Put layers back to FP32",
    "Throughput and latency",
    "Measure against FP32",
)
PLANNED = [(label, "planned", 0, 0, "") for label in LABELS]
AWARE = QuantizationSettings(method="accuracy-aware")


def done(*labels: str) -> list[tuple[str, str, int, int, str]]:
    return [(label, kind, 0, 0, "") for label in labels for kind in ("started", "finished")]


def a_search(wb: Workbench, project_id: str, **changes: Any) -> str:
    events = [*PLANNED, *done(*LABELS[:8]), ("Trial 5", "started", 0, 0, ""), ("Trial 5", "progress", 318, 500, "")]
    return rows.store_run(wb, project_id=project_id, **{"settings": AWARE, "events": events, "trials": trials()[:4], **changes})


def test_a_live_run_shows_stage_trials_and_log(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    run = a_search(wb, project.id)
    rows.store_event(wb, run, "Trial 5", "log", message="318 of 500 compared")
    html = client.get(f"/runs/{run}").text
    page = whole_page(html)
    text = squeezed(page.text)
    assert "Trial 5: 318 of 500" in text
    assert "318 of 500 compared" in text
    assert "−1.8 ± 1.8" in text
    assert f"/runs/{run}/cancel" in [form["action"] for form in page.forms]
    assert 'hx-swap="outerMorph"' in html


def test_htmx_gets_the_live_part_alone(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    run = a_search(wb, project.id)
    answer = client.get(f"/runs/{run}", headers=HTMX)
    fragment(answer.text)
    assert 'id="live"' in answer.text
    assert "HX-Request" in answer.headers["Vary"]


def test_only_sentence_and_state_are_announced(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    assert client.get(f"/runs/{a_search(wb, project.id)}").text.count("aria-live") == 1


def test_a_kept_limit_ends_with_its_file(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    page = whole_page(client.get(f"/runs/{project.run_ids[1]}").text)
    assert f"/variants/{project.variant_ids[1]}/model.onnx" in page.links
    assert "1.80× ± 0.03" in page.text


def test_an_outcome_is_judged_by_the_limit_of_its_run(wb: Workbench, client: TestClient) -> None:
    """The project's limit may move; what the run promised does not."""
    project = rows.store_project(wb, max_drop=50.0)
    text = squeezed(whole_page(client.get(f"/runs/{project.run_ids[1]}").text).text)
    assert "the limit of 1.0 point is kept, but not for certain" in text


def test_not_faster_is_said(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(), a_default(fps=310.0, ratio=0.93)])
    assert "Finished, not faster" in whole_page(client.get(f"/runs/{project.run_ids[1]}").text).text


def test_not_faster_says_why_by_node_and_offers_fp32_first(wb: Workbench, client: TestClient) -> None:
    slower = a_default(fps=310.0, ratio=0.93, recipe=a_told_recipe())
    project = rows.store_project(wb, [a_variant(), slower])
    page = whole_page(client.get(f"/runs/{project.run_ids[1]}").text)
    text = squeezed(page.text)
    assert "keep FP32" in text
    assert "2 × slower in INT8 here" in text
    assert "41 µs against 35 µs" in text
    files = [link for link in page.links if link.endswith("/model.onnx")]
    assert files == [f"/variants/{variant}/model.onnx" for variant in project.variant_ids]


def test_a_finished_run_says_what_was_done(wb: Workbench, client: TestClient) -> None:
    told = a_default(recipe=a_told_recipe(), seconds={"Calibrate": 12.0, "Quantize": 0.4})
    project = rows.store_project(wb, [a_variant(), told])
    html = client.get(f"/runs/{project.run_ids[1]}").text
    text = squeezed(whole_page(html).text)
    for said in (
        "What was done", "98.2 %", "AveragePool as depthwise Conv 2 nodes", "final scores stay in float", "61.0 %",
        "another range", "14 more groups make 6.3 % together.", "rounded: 29.3 dB (taken)", "Calibrate12 s",
    ):  # fmt: skip
        assert said in text
    assert '<svg class="bar m-int8" width="62.0%"' in html


def test_a_run_of_an_earlier_version_says_what_it_knows(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    text = squeezed(whole_page(client.get(f"/runs/{project.run_ids[1]}").text).text)
    assert "What was done" in text
    assert "2 of 50 nodes stayed in float." in text
    assert "Where the noise comes from" not in text


def test_a_missed_limit_offers_another_try(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    run = a_search(wb, project.id, state="succeeded", trials=trials()[:3])
    page = whole_page(client.get(f"/runs/{run}").text)
    assert "Finished, limit missed" in page.text
    again = next(link for link in page.links if link.startswith(f"/projects/{project.id}/optimize?"))
    assert "method=accuracy-aware" in again
    assert "max_drop=1.0" in again
    whole_page(client.get(again).text)


def test_a_failure_says_what_to_do(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    error = WorkbenchError("stage.memory", f"Quantizing needed too much. {HOSTILE}", where="conv_1", hint="Use fewer samples.")
    events = [*PLANNED[:7], *done(*LABELS[:5]), ("Quantize", "started", 0, 0, ""), ("Quantize", "failed", 0, 0, "too much")]
    run = rows.store_run(
        wb, state="failed", project_id=project.id, settings=QuantizationSettings(), events=events, error=error.as_dict()
    )
    html = client.get(f"/runs/{run}").text
    text = squeezed(whole_page(html).text)
    for shown in ("Failed", "Use fewer samples.", "stage.memory", "conv_1"):
        assert shown in text
    assert "<img src=x" not in html


def test_cancel_asks_nothing_and_ends_the_run(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    run = runs.start_optimize(wb, project.id, QuantizationSettings()).id
    answer = client.post(f"/runs/{run}/cancel")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run}")
    assert "Cancelled by you" in whole_page(client.get(f"/runs/{run}").text).text
    assert client.post(f"/runs/{run}/cancel?back=workers").headers["Location"] == "/workers"


def test_the_list_says_what_came_of_each(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    a_search(wb, project.id)
    page = whole_page(client.get(f"/projects/{project.id}/runs").text)
    assert "1 under way" in page.text
    assert "INT8 Default is 2.0× faster" in page.text


def test_an_empty_list_offers_the_baseline(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    projects.delete_project(wb, project.id)
    assert client.get(f"/projects/{project.id}/runs").status_code == 404


@pytest.mark.parametrize(("kind", "place"), [("inspect-model", "/models"), ("inspect-dataset", "/datasets")])
def test_inspections_are_shown_where_they_were_started(wb: Workbench, client: TestClient, kind: str, place: str) -> None:
    run = rows.store_run(wb, kind=kind)
    assert client.get(f"/runs/{run}").headers["Location"] == place


@pytest.mark.parametrize("path", ["", "/banner", "/events"])
def test_an_unknown_run_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/runs/nothing{path}").status_code == 404


def test_events_of_a_finished_run_end_at_once(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    run = a_search(wb, project.id, state="succeeded")
    answer = client.get(f"/runs/{run}/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert "event: finished" in answer.text


def test_a_reader_hears_of_every_change_once_and_of_the_end(wb: Workbench) -> None:
    """Event ids are those of the stored events, so a reader that comes back goes on where it was."""
    project = rows.store_project(wb)
    run = rows.store_run(wb, project_id=project.id)
    first = rows.store_event(wb, run, "Calibrate", "started")

    async def read() -> list[tuple[str | None, str | None]]:
        heard: list[tuple[str | None, str | None]] = []
        stream = follow_run(wb, run, 0, poll_seconds=0)
        event = await anext(stream)
        heard.append((event.event, event.id))
        second = await anyio.to_thread.run_sync(rows.store_event, wb, run, "Calibrate", "progress", 1, 3)
        event = await anext(stream)
        heard.append((event.event, event.id))
        assert event.id == str(second)
        await anyio.to_thread.run_sync(rows.end_run, wb, run, "succeeded")
        heard.extend([(event.event, event.id) async for event in stream])
        again = follow_run(wb, run, second, poll_seconds=0)
        assert [event.event async for event in again] == ["finished"]
        return heard

    heard = anyio.run(read)
    assert [name for name, _ in heard] == ["changed", "changed", "finished"]
    assert heard[0][1] == str(first)


def test_a_reader_that_is_up_to_date_hears_nothing_until_something_happens(wb: Workbench) -> None:
    project = rows.store_project(wb)
    run = rows.store_run(wb, project_id=project.id)
    last = rows.store_event(wb, run, "Calibrate", "started")

    async def read() -> str | None:
        stream = follow_run(wb, run, last, poll_seconds=0)
        with anyio.move_on_after(0.05) as waited:
            await anext(stream)
        assert waited.cancelled_caught
        stream = follow_run(wb, run, last, poll_seconds=0)
        await anyio.to_thread.run_sync(rows.store_event, wb, run, "Calibrate", "finished")
        return (await anext(stream)).event

    assert anyio.run(read) == "changed"
