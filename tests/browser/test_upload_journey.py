"""Uploading by clicking and dropping, on the real server with its worker: pause, reload, a killed server, bad files."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.support.archive_builder import tiny_dataset
from tests.support.model_builder import save, tiny_classifier
from tests.support.processes import wait_for
from tests.support.server import LiveServer
from tests.support.visitor import Visitor

pytestmark = pytest.mark.slow

BIG_BYTES = 96 * 2**20
SLOW_BYTES_PER_S = 12 * 2**20
INSPECTION_MS = 90_000


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Random, so that it is refused after the upload; what matters here is that every byte arrives."""
    path = tmp_path / "big.zip"
    path.write_bytes(os.urandom(BIG_BYTES))
    return path


def choose(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(file) for file in files])


def slow_down(page: Page) -> None:
    """The network, not the program: so that there is time to do something while an upload runs."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_S},
    )


def wait_for_bytes(server: LiveServer, least: int) -> None:
    parts = server.settings.incoming
    wait_for(lambda: sum(part.stat().st_size for part in parts.glob("*.part")) >= least, f"{least} bytes have come")


def assert_stored(server: LiveServer, file: Path) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (server.settings.blobs / "sha256" / sha256[:2] / sha256).is_file()


def patches_of(page: Page) -> list[int]:
    """Offsets of the PATCH requests from now on."""
    offsets: list[int] = []

    def see(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", see)
    return offsets


def test_model_and_dataset_are_uploaded_and_understood(visitor: Visitor, live_server: LiveServer, tmp_path: Path) -> None:
    model = save(tiny_classifier(), tmp_path / "colours.onnx")
    archive = tiny_dataset(tmp_path / "colours.zip", n=40, class_names=True)
    page = visitor.page("/models")
    expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
    choose(page, model)
    card = page.locator("section.card", has=page.get_by_role("heading", name="colours.onnx"))
    expect(card.get_by_text("Ready")).to_be_visible(timeout=INSPECTION_MS)
    expect(card).to_contain_text("float32, batch × 3 × 32 × 32")
    expect(page.locator("#uploads")).to_be_hidden()
    (described,) = page.request.get("/api/v1/models").json()
    assert described["state"] == "ready"
    expect(card).to_contain_text(f"{described['description']['parameters']:,}")

    page.get_by_role("link", name="Datasets").first.click()
    choose(page, archive)
    card = page.locator("section.card", has=page.get_by_role("heading", name="colours.zip"))
    expect(card.get_by_text("Ready")).to_be_visible(timeout=INSPECTION_MS)
    expect(card).to_contain_text("40 of 40 images")
    picture = card.locator("img").first
    expect(picture).to_be_visible()
    wait_for(lambda: picture.evaluate("image => image.naturalWidth") > 0, "the thumbnail is drawn")
    expect(card.locator(".thumb").first).to_contain_text("colour")


def test_dropped_files_are_uploaded(visitor: Visitor, live_server: LiveServer, tmp_path: Path) -> None:
    """Two at once, the way a file manager drops them."""
    page = visitor.page("/models")
    content = save(tiny_classifier(), tmp_path / "a.onnx").read_bytes()
    transfer = page.evaluate_handle(
        """bytes => { const transfer = new DataTransfer();
        for (const name of ["one.onnx", "two.onnx"]) transfer.items.add(new File([new Uint8Array(bytes)], name));
        return transfer; }""",
        list(content),
    )
    page.dispatch_event("[data-upload]", "dragover", {"dataTransfer": transfer})
    expect(page.locator("[data-upload]")).to_have_class(re.compile("over"))
    page.dispatch_event("[data-upload]", "drop", {"dataTransfer": transfer})
    for name in ("one.onnx", "two.onnx"):
        expect(page.get_by_role("heading", name=name)).to_be_visible(timeout=INSPECTION_MS)
    expect(page.locator("[data-upload]")).not_to_have_class(re.compile("over"))


def test_reload_goes_on_where_it_stopped(visitor: Visitor, live_server: LiveServer, big: Path) -> None:
    page = visitor.page("/datasets")
    slow_down(page)
    choose(page, big)
    expect(page.locator("[data-status]")).to_contain_text("MB/s")
    wait_for_bytes(live_server, BIG_BYTES // 4)
    page.goto("about:blank")
    page.goto("/datasets")
    row = page.locator("#uploads [data-upload-row]")
    expect(row).to_contain_text("Stopped at")
    expect(row).to_contain_text("Choose the same file to go on.")
    offsets = patches_of(page)
    choose(page, big)
    expect(page.get_by_role("heading", name="big.zip")).to_be_visible(timeout=INSPECTION_MS)
    assert offsets
    assert offsets[0] >= BIG_BYTES // 4
    expect(page.locator("#uploads [data-upload-row]")).to_have_count(0)
    assert_stored(live_server, big)


def test_killed_server_costs_nothing_but_the_wait(visitor: Visitor, live_server: LiveServer, big: Path) -> None:
    visitor.allow("ERR_CONNECTION_|ERR_EMPTY_RESPONSE|Failed to load resource|Failed to fetch")
    page = visitor.page("/datasets")
    slow_down(page)
    choose(page, big)
    wait_for_bytes(live_server, BIG_BYTES // 4)
    live_server.kill()
    offsets = patches_of(page)
    live_server.start()
    expect(page.get_by_role("heading", name="big.zip")).to_be_visible(timeout=INSPECTION_MS)
    assert any(offset >= BIG_BYTES // 4 for offset in offsets), "nothing acknowledged was sent again"
    assert_stored(live_server, big)


def test_pause_go_on_and_forget(visitor: Visitor, live_server: LiveServer, big: Path) -> None:
    page = visitor.page("/datasets")
    slow_down(page)
    choose(page, big)
    wait_for_bytes(live_server, 8 * 2**20)
    row = page.locator("#uploads [data-upload-row]")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused at")
    row.get_by_role("button", name="Go on").click()
    wait_for_bytes(live_server, 32 * 2**20)
    row.get_by_role("button", name="Forget").click()
    expect(page.locator("#uploads")).to_be_hidden()
    wait_for(lambda: not list(live_server.settings.incoming.glob("*.part")), "its bytes are gone")
    assert page.request.get("/api/v1/uploads").json() == []


def test_what_is_not_a_model_is_refused_with_a_reason(visitor: Visitor, tmp_path: Path) -> None:
    wrong_name = tmp_path / "notes.txt"
    wrong_name.write_text("not a model")
    not_onnx = tmp_path / "picture.onnx"
    not_onnx.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    empty = tmp_path / "empty.onnx"
    empty.touch()
    page = visitor.page("/models")
    choose(page, wrong_name, empty)
    expect(page.locator("#uploads")).to_contain_text("Give one of .onnx, .zip. notes.txt is none of these.")
    expect(page.locator("#uploads")).to_contain_text("empty.onnx is empty.")
    choose(page, not_onnx)
    card = page.locator("section.card", has=page.get_by_role("heading", name="picture.onnx"))
    expect(card.get_by_text("Cannot be used")).to_be_visible(timeout=INSPECTION_MS)
    expect(card.locator(".note.bad")).to_contain_text("model.")
    card.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("picture.onnx was deleted.")).to_be_visible()
