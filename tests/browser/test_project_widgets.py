"""What the project pages do without reloading: limit, plan, live run, preflight fields; and everything without JavaScript.

The server runs without a worker; the test writes what a worker would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.engine.quantize.recipe import QuantizationSettings
from app.services.context import Workbench, open_workbench
from tests.support import rows
from tests.support.factories import HOSTILE, a_default, a_told_recipe, a_variant, three_variants, trials
from tests.support.server import LiveServer
from tests.support.visitor import Theme, Visitor

pytestmark = pytest.mark.slow
expect.set_options(timeout=20_000)  # the machine may be busy with other tests

PLANNED = [(label, "planned", 0, 0, "") for label in ("Prepare samples", "Calibrate", "Quantize", "Compare with FP32")]
AWARE = QuantizationSettings(method="accuracy-aware")


@pytest.fixture
def live_server(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path / "data", worker=False, WORKBENCH_LOG_LEVEL="WARNING").start()
    yield server
    server.stop()
    assert "Traceback" not in server.text()


@pytest.fixture
def wb(live_server: LiveServer) -> Iterator[Workbench]:
    """A second handle on the server's data."""
    workbench = open_workbench(live_server.settings)
    yield workbench
    workbench.close()


def expect_chart(page: Page, name: str) -> None:
    expect(page.locator(f"#{name}-card svg.main-svg").first).to_be_visible()


def test_the_limit_moves_line_and_verdicts_while_typing(visitor: Visitor, wb: Workbench) -> None:
    project = rows.store_project(wb)
    page = visitor.page(f"/projects/{project.id}")
    expect_chart(page, "pareto")
    expect(page.get_by_text("Missed by 0.8")).to_be_visible()
    page.locator("#max_drop").fill("2")
    expect(page.get_by_text("Missed by 0.8")).to_have_count(0)
    expect(page.locator("#pareto-card").get_by_text("Your limit: 84.2 %")).to_be_visible()
    expect(page.locator("#max_drop")).to_be_focused()
    expect(page.locator("#max_drop")).to_have_value("2")
    expect_chart(page, "grid")
    page.locator("#max_drop").fill("-1")
    expect(page.locator("#limit-error")).to_contain_text("Give 0 to 100.")
    page.locator("#max_drop").fill("1.0")
    expect(page.locator("#limit-error")).to_have_count(0)
    expect(page.get_by_text("Missed by 0.8")).to_be_visible()


def test_the_plan_follows_every_change(visitor: Visitor, wb: Workbench) -> None:
    project = rows.store_project(wb)
    page = visitor.page(f"/projects/{project.id}/optimize")
    plan, drop = page.locator("#plan"), page.locator("#max_drop")
    expect(plan).to_contain_text("Rank layers by harm")
    drop.fill("0.2")
    expect(page.locator("#max_drop-hint")).to_contain_text("down to 86.0 %")
    expect(drop).to_be_focused()
    drop.fill("-1")
    expect(plan).to_contain_text("The plan follows as soon as the values are right.")
    drop.fill("1.0")
    expect(plan).to_contain_text("Rank layers by harm")
    slider = page.get_by_label("Tolerated drop of top-1, slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(drop).to_have_value("1.1")
    expect(page.locator("#max_drop-hint")).to_contain_text("1.1 % means")
    page.get_by_role("radio", name="Default Everything").check()
    expect(plan).not_to_contain_text("Rank layers by harm")
    expect(drop).to_be_hidden()


def test_a_live_run_changes_in_place(visitor: Visitor, wb: Workbench) -> None:
    """Focus and place stay; the charts are drawn again; at the end the outcome comes by itself."""
    project = rows.store_project(wb)
    run = rows.store_run(wb, project_id=project.id, settings=AWARE, events=PLANNED, trials=trials()[:2])
    rows.store_event(wb, run, "Calibrate", "started")
    page = visitor.page(f"/runs/{run}")
    expect_chart(page, "trials")
    page.get_by_role("button", name="Cancel").focus()
    page.mouse.wheel(0, 300)
    for done in (100, 200):
        rows.store_event(wb, run, "Calibrate", "progress", done, 300)
        expect(page.locator("#live")).to_contain_text(f"{done} of 300")
    rows.store_event(wb, run, "Calibrate", "log", message="22 ranges from 300 samples")
    expect(page.locator(".log")).to_contain_text("22 ranges from 300 samples")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert page.evaluate("scrollY") > 0
    expect_chart(page, "trials")
    rows.end_run(wb, run, "cancelled")
    expect(page.get_by_text("Cancelled by you")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_the_overview_follows_its_run_to_the_end(visitor: Visitor, wb: Workbench) -> None:
    project = rows.store_project(wb)
    run = rows.store_run(wb, kind="baseline", project_id=project.id, events=PLANNED[:1])
    page = visitor.page(f"/projects/{project.id}")
    banner = page.locator("#banner")
    expect(banner).to_contain_text("0 %")
    rows.store_event(wb, run, "Prepare samples", "started")
    rows.store_event(wb, run, "Prepare samples", "progress", 250, 500)
    expect(banner).to_contain_text("50 %")
    rows.end_run(wb, run, "succeeded")
    expect(banner).to_have_count(0)
    expect_chart(page, "pareto")


def test_preflight_fields_help_each_other(visitor: Visitor, wb: Workbench) -> None:
    model, dataset = rows.store_model(wb), rows.store_dataset(wb)
    run = rows.store_preflight(wb, model, dataset)
    page = visitor.page(f"/projects/new?preflight={run}")
    expect(page.locator("#range")).to_have_value("3")
    page.select_option("#range", label="0 to 1")
    expect(page.locator("#divide_by")).to_have_value("255, 255, 255")
    page.select_option("#range", label="ImageNet mean and deviation")
    expect(page.locator("#mean")).to_have_value("103.53, 116.28, 123.675")
    page.select_option("#colour", "RGB")
    expect(page.locator("#mean")).to_have_value("123.675, 116.28, 103.53")
    page.locator("#mean").fill("1, 2, 3")
    page.locator("#mean").blur()
    expect(page.locator("#range")).to_have_value("")
    page.get_by_role("link", name="4 misses").click()
    expect(page.locator("#predictions")).to_contain_text("coffee mug 0.52")
    expect(page.locator("#mean")).to_have_value("1, 2, 3")
    expect(page).to_have_url(re.compile("show=misses"))


def test_choosing_a_model_starts_the_check(visitor: Visitor, wb: Workbench) -> None:
    first, second = rows.store_model(wb, name="one.onnx"), rows.store_model(wb, name="two.onnx")
    dataset = rows.store_dataset(wb)
    page = visitor.page("/projects/new")
    page.select_option("#model", second)
    expect(page.locator("#checking")).to_contain_text("Waiting for a worker.")
    expect(page.locator("#dataset")).to_have_value(dataset)
    expect(page).to_have_url(re.compile("preflight="))
    page.reload()
    expect(page.locator("#checking")).to_be_visible()
    expect(page.locator("#model")).to_have_value(second)
    assert first


def test_a_refused_form_takes_the_focus_to_its_mistakes(visitor: Visitor, wb: Workbench) -> None:
    visitor.allow("422")
    project = rows.store_project(wb)
    page = visitor.page(f"/projects/{project.id}/optimize")
    page.locator("#max_drop").fill("-1")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Tolerated drop").first.click()
    expect(page.locator("#max_drop")).to_be_focused()


def test_another_reference_shows_at_once(visitor: Visitor, wb: Workbench) -> None:
    project = rows.store_project(wb, predictions=True)
    page = visitor.page(f"/projects/{project.id}/compare")
    expect_chart(page, "throughput")
    page.select_option("#against", label="INT8 Default")
    expect(page.get_by_text("Against INT8 Default, 95 % sure")).to_be_visible()


def test_everything_works_without_scripts(visitor: Visitor, wb: Workbench) -> None:
    project = rows.store_project(wb, predictions=True)
    page = visitor.page(f"/projects/{project.id}", javascript=False)
    page.locator("#max_drop").fill("2")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_text("Missed by 0.8")).to_have_count(0)
    page.get_by_role("button", name="Compare selected").click()
    page.select_option("#against", label="INT8 Default")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Against INT8 Default, 95 % sure")).to_be_visible()
    page.goto(f"/projects/{project.id}/optimize")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Waiting for a worker.")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled by you")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(visitor: Visitor, wb: Workbench, width: int) -> None:
    variants = [*three_variants()[:2], replace(a_default(), name=HOSTILE)]
    project = rows.store_project(wb, variants, name="A-rather-long-name-without-a-single-space-in-it-" * 2)
    run = rows.store_run(wb, project_id=project.id, settings=AWARE, events=PLANNED, trials=trials()[:4])
    preflight = rows.store_preflight(wb, project.model_id, project.dataset_id)
    rows.store_worker(wb)
    paths = [f"/projects/{project.id}{rest}" for rest in ("", "/optimize", "/runs", "/compare")]
    page = visitor.page("/", width=width)
    for path in [*paths, f"/runs/{run}", f"/runs/{project.run_ids[1]}", f"/projects/new?preflight={preflight}", "/workers"]:
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


POT_FILE = """{"compression": {"algorithms": [{"name": "AccuracyAwareQuantization", // by hand
    "params": {"maximal_drop": 0.02, "stat_subset_size": 50, "shuffle_data": true,}}]}}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_pot_file_fills_the_form_and_enter_starts_it(visitor: Visitor, wb: Workbench, width: int) -> None:
    project = rows.store_project(wb)
    page = visitor.page(f"/projects/{project.id}/optimize", width=width, theme="dark")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.get_by_text("More settings").click()
    page.locator("#pot").fill(POT_FILE)
    with page.expect_request(lambda request: "seed=5" in request.url):
        page.locator("#seed").fill("5")
    assert not any("maximal_drop" in url for url in sent)  # the plan does not carry the file along
    page.get_by_role("button", name="Fill the form").click()
    expect(page.locator("#max_drop")).to_have_value("2.0")
    expect(page.get_by_role("status").filter(has_text="The form has the settings")).to_be_focused()
    expect(page.get_by_text("params.shuffle_data")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("#seed").press("Enter")
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.get_by_text("AccuracyAware, limit 2.0 points").first).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_what_was_done_fits_a_phone(visitor: Visitor, wb: Workbench, theme: Theme, width: int) -> None:
    told = a_default(recipe=a_told_recipe(), seconds={"Calibrate": 12.0, "Quantize": 0.4})
    project = rows.store_project(wb, [a_variant(), told])
    page = visitor.page(f"/runs/{project.run_ids[1]}", width=width, theme=theme)
    expect(page.get_by_role("heading", name="What was done")).to_be_visible()
    page.get_by_text("2 × slower in INT8 here").click()
    expect(page.get_by_text("41 µs against 35 µs")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
