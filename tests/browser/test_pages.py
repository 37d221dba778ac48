"""Every page of the shell in Chromium: accessible in both themes at three widths, usable by keyboard, quiet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.engine.datasets.description import Unreadable
from app.engine.graph.description import Notice
from app.engine.quantize.recipe import QuantizationSettings
from app.services.context import Workbench, open_workbench
from app.services.uploads import create_upload
from tests.support import factories
from tests.support.rows import end_run, store_dataset, store_model, store_project, store_run
from tests.support.server import LiveServer
from tests.support.shared import ROOT
from tests.support.visitor import Theme, Visitor

pytestmark = pytest.mark.slow

CHECK = (ROOT / "tests" / "support" / "page_check.js").read_text(encoding="utf-8")
VIEWS: tuple[tuple[Theme, int], ...] = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390), ("light", 320))

NO_PICTURES = "/thumbnails/"
"""The datasets of `tests.support.rows` describe pictures that they do not have."""


@pytest.fixture
def live_server(tmp_path: Path) -> Iterator[LiveServer]:
    """Without a worker: what the rows say stays as it is."""
    server = LiveServer(tmp_path / "data", worker=False, WORKBENCH_LOG_LEVEL="WARNING").start()
    yield server
    server.stop()
    assert "Traceback" not in server.text()


@pytest.fixture
def wb(live_server: LiveServer) -> Iterator[Workbench]:
    """The server's own data, from the side."""
    workbench = open_workbench(live_server.settings)
    yield workbench
    workbench.close()


def furnish(wb: Workbench) -> list[str]:
    """Something of everything; the paths of its pages."""
    notice = Notice("model.batch_fixed", "The batch is fixed at 1.", "Larger batches are not measured.")
    error = {"code": "model.not_onnx", "message": "This is not an ONNX file.", "where": "x.onnx", "hint": "Export it again."}
    model = store_model(wb, description=factories.a_model_description(notices=(notice,)))
    refused = store_model(wb, state="refused", error=error, name="refused.onnx")
    store_model(wb, state="inspecting", name="inspecting.onnx")
    unreadable = (Unreadable("ILSVRC2012_val_00000066.JPEG", "ends too early"),)
    described = factories.a_dataset_description(images=99, labelled=99, unreadable=unreadable, thumbnails=())
    dataset = store_dataset(wb, description=described)
    create_upload(wb, "model", "an-unfinished-upload-with-a-rather-long-name.onnx", 10_000_000)
    project = store_project(wb)
    store_project(wb, name="A project with a long name that has to wrap on every screen there is")
    store_run(wb, project_id=project.id, settings=QuantizationSettings(method="accuracy-aware"))
    paths = [
        "/",
        "/?search=nothing-is-called-that",
        "/models",
        f"/models/{model}",
        f"/models/{refused}",
        f"/models/{model}/delete",
    ]
    return [*paths, "/datasets", f"/datasets/{dataset}", "/dev/components"]


def test_empty_pages_are_accessible(visitor: Visitor) -> None:
    for theme, width in VIEWS:
        page = visitor.page("/", theme=theme, width=width)
        for path in ("/", "/models", "/datasets"):
            page.goto(path)
            assert page.evaluate(CHECK) == [], f"{path} {theme} {width}"


def test_furnished_pages_are_accessible(visitor: Visitor, wb: Workbench) -> None:
    paths = furnish(wb)
    visitor.allow(NO_PICTURES)
    for theme, width in VIEWS:
        page = visitor.page("/", theme=theme, width=width)
        for path in paths:
            page.goto(path)
            page.evaluate("document.fonts.ready")
            assert page.evaluate(CHECK) == [], f"{path} {theme} {width}"


def test_error_page_is_accessible_and_leads_back(visitor: Visitor) -> None:
    visitor.allow("404")
    page = visitor.page("/models/nope")
    assert page.evaluate(CHECK) == []
    page.get_by_role("link", name="To the projects").click()
    expect(page).to_have_title("Projects · INT8 Workbench")


def theme_of(page: Page) -> str:
    return str(page.evaluate("document.documentElement.dataset.bsTheme"))


def test_theme_follows_the_system_until_chosen_and_is_kept(visitor: Visitor) -> None:
    page = visitor.page("/models", theme="dark")
    assert theme_of(page) == "dark"
    page.get_by_role("button", name="Switch between light and dark").click()
    assert theme_of(page) == "light"
    page.goto("/datasets")
    assert theme_of(page) == "light"


def test_dark_page_never_flashes_white(visitor: Visitor) -> None:
    """The theme is set before the body exists, so the first paint is dark already."""
    page = visitor.page("/models", theme="dark")
    page.add_init_script(
        """new MutationObserver((_, watcher) => { if (document.body) { window.first = document.documentElement.dataset.bsTheme;
        watcher.disconnect(); } }).observe(document, { childList: true, subtree: true })"""
    )
    page.goto("/datasets")
    assert page.evaluate("window.first") == "dark"


def test_charts_take_the_colours_of_the_theme(visitor: Visitor) -> None:
    page = visitor.page("/dev/components")
    bar = page.locator(".js-plotly-plot .bars .point path").first
    expect(bar).to_be_visible()
    light = bar.evaluate("bar => getComputedStyle(bar).fill")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(bar).not_to_have_css("fill", light)


def test_phone_menu_leads_everywhere(visitor: Visitor) -> None:
    page = visitor.page("/", width=390)
    menu = page.get_by_role("navigation", name="Main, small screen")
    expect(menu).to_be_hidden()
    page.locator("summary[aria-label=Menu]").click()
    menu.get_by_role("link", name="Datasets").click()
    expect(page).to_have_title("Datasets · INT8 Workbench")
    page.locator("summary[aria-label=Menu]").click()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()


def test_keyboard_skips_to_the_content(visitor: Visitor) -> None:
    page = visitor.page("/models")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "file", "the drop zone is the first control"


def test_search_swaps_the_cards_and_the_address(visitor: Visitor, wb: Workbench) -> None:
    store_project(wb, name="Shoes")
    store_project(wb, name="Birds")
    page = visitor.page("/")
    page.get_by_label("Find a project").fill("shoe")
    expect(page.get_by_role("heading", name="Birds")).to_have_count(0)
    expect(page.get_by_role("heading", name="Shoes")).to_be_visible()
    expect(page.get_by_label("Find a project")).to_be_focused()
    page.wait_for_url("**/?search=shoe")
    page.reload()
    expect(page.get_by_role("heading", name="Birds")).to_have_count(0)


def test_pill_follows_the_queue_and_goes_when_it_is_empty(visitor: Visitor, wb: Workbench) -> None:
    run = store_run(wb, project_id=store_project(wb).id)
    page = visitor.page("/models")
    expect(page.locator("#queue")).to_have_text("1 running")
    end_run(wb, run, "succeeded")
    expect(page.locator("#queue")).to_have_text("", timeout=10_000)


def test_rename_and_delete_work_without_javascript(visitor: Visitor, wb: Workbench) -> None:
    model = store_model(wb, name="old.onnx")
    page = visitor.page(f"/models/{model}", javascript=False)
    page.get_by_text("Rename or delete").click()
    page.get_by_label("Name").fill("new.onnx")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("new.onnx")
    page.get_by_text("Rename or delete").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("new.onnx was deleted.")).to_be_visible()


def test_times_are_shown_in_the_zone_of_the_reader(browser: Browser, live_server: LiveServer, wb: Workbench) -> None:
    store_model(wb)
    context = browser.new_context(base_url=live_server.url, timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto("/models")
    time = page.locator("time").first
    stamp = str(time.get_attribute("datetime"))
    hour = (int(stamp[11:13]) + 9) % 24
    expect(time).to_contain_text(f"{hour:02d}:{stamp[14:16]}")
    context.close()


def test_hostile_names_do_nothing(visitor: Visitor, wb: Workbench) -> None:
    model, dataset = store_model(wb, name=factories.HOSTILE), store_dataset(wb, name=factories.HOSTILE)
    store_project(wb, name=factories.HOSTILE)
    visitor.allow(NO_PICTURES)
    page = visitor.page("/")
    for path in ("/", "/models", f"/models/{model}", f"/models/{model}/delete", "/datasets", f"/datasets/{dataset}"):
        page.goto(path)
        expect(page.locator("img[src=x]")).to_have_count(0)
