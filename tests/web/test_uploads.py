"""tus 1.0 over the real application: protocol, resuming, conflicts, limits, and what an upload becomes."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.main import build_app
from app.services import uploads
from app.services.context import Workbench
from app.services.models import list_models
from app.web.routes import uploads as routes
from app.web.routes.uploads import PIECE_BYTES
from tests.support.tus import TUS, create, metadata, offset, patch, patch_raw

CONTENT = bytes(range(256)) * 4000


def test_options_says_what_is_spoken(client: TestClient, wb: Workbench) -> None:
    answer = client.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,termination"
    assert int(answer.headers["Tus-Max-Size"]) == wb.settings.max_dataset_bytes


def test_upload_in_three_pieces_becomes_a_model_with_the_same_bytes(client: TestClient, wb: Workbench) -> None:
    url = create(client, len(CONTENT), "net.onnx")
    for start, end in ((0, 1), (1, 500_000), (500_000, len(CONTENT))):
        answer = patch(client, url, start, CONTENT[start:end])
        assert answer.status_code == 204
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert int(answer.headers["Upload-Offset"]) == end
    (model,) = list_models(wb)
    assert (model.name, model.state, model.size_bytes) == ("net.onnx", "inspecting", len(CONTENT))
    assert answer.headers["Upload-Result"] == f"/models/{model.id}"
    assert wb.blobs.path(hashlib.sha256(CONTENT).hexdigest()).read_bytes() == CONTENT
    assert not list(wb.settings.incoming.iterdir()), "the part file is gone"


def test_page_learns_what_an_upload_became(client: TestClient) -> None:
    url = create(client, 10, "images.zip", "dataset")
    unfinished = client.get(url).json()
    assert (unfinished["offset"], unfinished["result_id"], unfinished["result_url"]) == (0, "", "")
    patch(client, url, 0, b"0123456789")
    finished = client.get(url).json()
    assert finished["offset"] == 10
    assert finished["result_url"] == f"/datasets/{finished['result_id']}"
    assert client.get(finished["result_url"]).status_code == 200


def test_wrong_offset_is_a_conflict_and_writes_nothing(client: TestClient) -> None:
    url = create(client, 100)
    patch(client, url, 0, b"x" * 40)
    for wrong in (0, 39, 41, 100):
        answer = patch(client, url, wrong, b"y" * 10)
        assert (answer.status_code, answer.json()["code"]) == (409, "upload.offset")
    assert offset(client, url) == 40


def test_more_than_announced_is_refused_and_not_kept(client: TestClient) -> None:
    url = create(client, 10)
    answer = patch(client, url, 0, b"x" * 11)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload.too_long")
    assert offset(client, url) == 0


def test_a_complete_upload_takes_no_more(client: TestClient) -> None:
    url = create(client, 4)
    patch(client, url, 0, b"abcd")
    answer = patch(client, url, 4, b"")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload.complete")


def test_sender_that_vanishes_leaves_its_bytes_and_goes_on(client: TestClient, wb: Workbench) -> None:
    """The connection dies inside the second piece of 4 MB; everything that came is there, and the rest completes it."""
    content = os.urandom(2 * PIECE_BYTES + 12345)
    url = create(client, len(content))
    come = PIECE_BYTES + 777
    asyncio.run(patch_raw(build_app(wb), url, 0, [content[:PIECE_BYTES], content[PIECE_BYTES:come]]))
    assert offset(client, url) == come
    assert patch(client, url, come, content[come:]).status_code == 204
    assert wb.blobs.exists(hashlib.sha256(content).hexdigest())


def test_server_killed_between_last_byte_and_finish_is_healed_by_the_next_question(client: TestClient, wb: Workbench) -> None:
    url = create(client, len(CONTENT))
    with uploads.open_part(wb, url.rsplit("/", 1)[1], 0) as part:
        part.write(CONTENT)  # and then nothing finished it
    assert not list_models(wb)
    answer = client.head(url, headers=TUS)
    assert int(answer.headers["Upload-Offset"]) == len(CONTENT)
    assert [answer.headers["Upload-Result"]] == [f"/models/{model.id}" for model in list_models(wb)]
    client.head(url, headers=TUS)
    assert len(list_models(wb)) == 1, "finishing twice makes one model"


def test_two_senders_of_one_upload_cannot_interleave(wb: Workbench) -> None:
    """The second is told to wait while the first is still sending; afterwards the bytes are those of the first alone."""
    app = build_app(wb)
    upload = uploads.create_upload(wb, "model", "net.onnx", 2 * PIECE_BYTES)
    url = f"/uploads/{upload.id}"

    async def race() -> int:
        first_wrote, second_done = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"a" * PIECE_BYTES
            first_wrote.set()
            await second_done.wait()
            yield b"b" * 1000

        first = asyncio.create_task(patch_raw(app, url, 0, slowly()))
        await first_wrote.wait()
        second = await patch_raw(app, url, PIECE_BYTES, [b"z" * 1000])
        second_done.set()
        await first
        assert second is not None
        return second.status

    assert asyncio.run(race()) == 409
    part = wb.settings.incoming / f"{upload.id}.part"
    assert part.read_bytes() == b"a" * PIECE_BYTES + b"b" * 1000


def test_silent_sender_loses_its_lock(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "STALL_SECONDS", 0.05)
    app = build_app(wb)
    upload = uploads.create_upload(wb, "model", "net.onnx", 1000)

    async def silent() -> AsyncIterator[bytes]:
        yield b"x" * 10
        await asyncio.Event().wait()

    answer = asyncio.run(patch_raw(app, f"/uploads/{upload.id}", 0, silent()))
    assert answer is not None
    assert answer.status == 408
    with uploads.open_part(wb, upload.id, 10):
        pass  # what came is kept, and the lock is free


@pytest.mark.parametrize("version", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_protocol_version_is_refused(client: TestClient, version: dict[str, str]) -> None:
    answer = client.post("/uploads", headers={**version, "Upload-Length": "1"})
    assert (answer.status_code, answer.json()["code"]) == (412, "upload.version")


@pytest.mark.parametrize(
    ("header", "value"),
    [("X-HTTP-Method-Override", "DELETE"), ("Upload-Concat", "final;/uploads/a /uploads/b"), ("Upload-Defer-Length", "1")],
)
def test_what_gets_around_the_checks_is_refused(client: TestClient, header: str, value: str) -> None:
    url = create(client, 10)
    answer = patch(client, url, 0, b"x", **{header: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "upload.unsupported")
    assert offset(client, url) == 0


@pytest.mark.parametrize("length", ["", "-1", "1.5", "ten", "٣", "1" * 30])
def test_length_must_be_a_number(client: TestClient, length: str) -> None:
    headers = {**TUS, "Upload-Metadata": metadata(filename="a.onnx", kind="model"), "Upload-Length": length.encode()}
    answer = client.post("/uploads", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "upload.header")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "upload.kind"),
        (metadata(filename="a.onnx", kind="virus"), "upload.kind"),
        ("filename !!!,kind bW9kZWw=", "upload.metadata"),
        (metadata(kind="model"), "upload.filename"),
        (metadata(filename="..", kind="model"), "upload.filename"),
    ],
)
def test_metadata_must_say_what_comes(client: TestClient, given: str, code: str) -> None:
    answer = client.post("/uploads", headers={**TUS, "Upload-Length": "10", "Upload-Metadata": given})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == code


@pytest.mark.parametrize("filename", ["../../etc/passwd", "C:\\models\\net.onnx", "/abs/net.onnx", "a/b/../net.onnx"])
def test_folders_in_a_file_name_are_dropped(client: TestClient, wb: Workbench, filename: str) -> None:
    url = create(client, 1, filename)
    assert client.get(url).json()["filename"] in ("passwd", "net.onnx")
    patch(client, url, 0, b"x")
    stray = [path for path in wb.settings.data.parent.rglob("*") if path.name in ("passwd", "net.onnx")]
    assert not stray


def test_empty_and_oversized_files_are_refused_before_a_byte(client: TestClient, wb: Workbench) -> None:
    for length, status, code in ((0, 422, "upload.empty"), (wb.settings.max_model_bytes + 1, 413, "upload.too_large")):
        headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(filename="a.onnx", kind="model")}
        answer = client.post("/uploads", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not uploads.list_unfinished(wb)


def test_upload_that_would_fill_the_disk_is_refused(wb: Workbench) -> None:
    cramped = replace(wb, settings=wb.settings.model_copy(update={"min_free_bytes": 2**62}))
    client = TestClient(build_app(cramped))
    headers = {**TUS, "Upload-Length": "10", "Upload-Metadata": metadata(filename="a.onnx", kind="model")}
    answer = client.post("/uploads", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (507, "upload.disk_full")


def test_disk_that_runs_full_is_said_and_what_came_stays(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = create(client, 100)
    patch(client, url, 0, b"x" * 40)
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").resolve().suffix == ".part":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    answer = patch(client, url, 40, b"y" * 60)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk.full")
    monkeypatch.undo()
    assert offset(client, url) == 40
    assert patch(client, url, 40, b"y" * 60).status_code == 204


def test_forgotten_upload_is_gone_with_its_bytes(client: TestClient, wb: Workbench) -> None:
    url = create(client, 100)
    patch(client, url, 0, b"x" * 10)
    assert client.delete(url, headers=TUS).status_code == 204
    assert client.head(url, headers=TUS).status_code == 404
    assert patch(client, url, 10, b"x").status_code == 404
    assert not list(wb.settings.incoming.iterdir())


def test_wrong_content_type_is_refused(client: TestClient) -> None:
    url = create(client, 10)
    answer = client.patch(url, content=b"x", headers={**TUS, "Upload-Offset": "0", "Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "upload.content_type")


def test_pages_list_what_can_go_on(client: TestClient) -> None:
    url = create(client, 100, "half.onnx")
    patch(client, url, 0, b"x" * 40)
    page = client.get("/models").text
    assert f'data-upload-row="{url.rsplit("/", 1)[1]}"' in page
    assert "Stopped at 40 bytes of 100 bytes" in page
    assert "half.onnx" not in client.get("/datasets").text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 200_000), max_size=6), dies=st.lists(st.booleans(), min_size=7, max_size=7))
def test_cut_anywhere_and_resumed_the_bytes_are_the_same(wb: Workbench, cuts: list[int], dies: list[bool]) -> None:
    """Each piece is sent to its end or by a sender who vanishes; the next starts where HEAD says."""
    app = build_app(wb)
    client = TestClient(app)
    content = os.urandom(200_000)
    url = create(client, len(content))
    for end, vanishes in zip([*sorted(cuts), len(content)], dies, strict=False):
        start = offset(client, url)
        if end <= start:
            continue
        if vanishes:
            asyncio.run(patch_raw(app, url, start, [content[start:end]]))
        else:
            assert patch(client, url, start, content[start:end]).status_code == 204
    assert offset(client, url) == len(content)
    assert wb.blobs.path(hashlib.sha256(content).hexdigest()).read_bytes() == content
