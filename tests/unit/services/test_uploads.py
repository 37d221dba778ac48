"""Uploads: the offset is the file's size, what is acknowledged is kept, and a crash at any point is healed by asking again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.errors import ConflictError, NotFoundError, TooLargeError, UnavailableError, WorkbenchError
from app.services import datasets, models, uploads
from app.services.context import Workbench
from app.services.part_file import PartFile
from app.services.uploads import InsufficientStorageError
from app.storage.blobs import BlobStore
from app.storage.tables import Blob, Dataset, Model, Run, Upload

CONTENT = b"not looked into here" * 10


def start(wb: Workbench, kind: Any = "model", name: str = "net.onnx", content: bytes = CONTENT) -> str:
    return uploads.create_upload(wb, kind, name, len(content)).id


def send(wb: Workbench, upload_id: str, content: bytes, offset: int = 0) -> None:
    with uploads.open_part(wb, upload_id, offset) as part:
        part.write(content)


def part_of(wb: Workbench, upload_id: str) -> Path:
    return wb.settings.incoming / f"{upload_id}.part"


def counts(wb: Workbench) -> dict[str, int]:
    with wb.database.read() as session:
        tables = (Model, Dataset, Run, Blob)
        return {table.__name__: session.scalars(select(func.count()).select_from(table)).one() for table in tables}


def test_upload_becomes_a_model_that_is_being_inspected(wb: Workbench) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT[:50])
    assert uploads.get_upload(wb, upload_id).offset == 50
    assert [upload.id for upload in uploads.list_unfinished(wb, "model")] == [upload_id]
    assert uploads.list_unfinished(wb, "dataset") == ()
    send(wb, upload_id, CONTENT[50:], offset=50)
    finished = uploads.finish_upload(wb, upload_id)
    model = models.get_model(wb, finished.result_id)
    assert (model.state, model.name, model.size_bytes) == ("inspecting", "net.onnx", len(CONTENT))
    assert model.run_id in wb.queue.waiting()
    assert finished.offset == len(CONTENT)
    assert not part_of(wb, upload_id).exists()
    assert uploads.list_unfinished(wb) == ()


def test_upload_of_a_dataset_becomes_a_dataset(wb: Workbench) -> None:
    upload_id = start(wb, "dataset", "images.zip")
    send(wb, upload_id, CONTENT)
    dataset = datasets.get_dataset(wb, uploads.finish_upload(wb, upload_id).result_id)
    assert (dataset.state, dataset.name) == ("inspecting", "images.zip")


def test_finishing_again_changes_nothing(wb: Workbench) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT)
    first = uploads.finish_upload(wb, upload_id)
    before = counts(wb)
    assert uploads.finish_upload(wb, upload_id) == first
    assert counts(wb) == before


def test_incomplete_upload_is_not_finished(wb: Workbench) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT[:-1])
    with pytest.raises(ConflictError, match="199 of 200 bytes") as caught:
        uploads.finish_upload(wb, upload_id)
    assert caught.value.code == "upload.incomplete"


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("step", ["add_file", "record", "enqueue"])
def test_crash_before_the_commit_leaves_the_upload_to_be_finished_again(
    wb: Workbench, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT)
    target: Any = wb.queue if step == "enqueue" else wb.blobs

    def cut(*_: Any, **__: Any) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(type(target), step, cut)
        with pytest.raises(PowerCutError):
            uploads.finish_upload(wb, upload_id)
    assert counts(wb) == {"Model": 0, "Dataset": 0, "Run": 0, "Blob": 0}
    assert part_of(wb, upload_id).read_bytes() == CONTENT
    uploads.finish_upload(wb, upload_id)
    assert counts(wb) == {"Model": 1, "Dataset": 0, "Run": 1, "Blob": 1}


def test_crash_between_commit_and_removal_is_cleaned_up(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PowerCutError()))
        patch.setattr(BlobStore, "add_file", _add_without_part)
        with pytest.raises(PowerCutError):
            uploads.finish_upload(wb, upload_id)
    assert counts(wb)["Model"] == 1
    assert part_of(wb, upload_id).exists()
    assert uploads.sweep_parts(wb) == 1
    assert uploads.get_upload(wb, upload_id).offset == len(CONTENT)
    assert models.list_models(wb)[0].id == uploads.finish_upload(wb, upload_id).result_id


def _add_without_part(self: BlobStore, path: Path, *, move: bool = False) -> Any:
    """`add_file` as it is on a disk where nothing has to be removed."""
    import os

    part = self._parts / "x"
    os.link(path, part)
    return self._publish(part)


def test_two_requests_that_finish_at_once_make_one_model(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT)
    original = BlobStore.add_file
    inner: list[str] = []

    def second_request_first(self: BlobStore, path: Path, *, move: bool = False) -> Any:
        monkeypatch.setattr(BlobStore, "add_file", original)
        facts = original(self, path, move=move)
        inner.append(uploads.finish_upload(wb, upload_id).result_id)
        return facts

    monkeypatch.setattr(BlobStore, "add_file", second_request_first)
    assert uploads.finish_upload(wb, upload_id).result_id == inner[0]
    assert counts(wb)["Model"] == 1


def test_stale_parts_are_swept_and_open_ones_kept(wb: Workbench) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT[:5])
    stale = wb.settings.incoming / "0190aaaa-0000-7000-8000-000000000000.part"
    stale.write_bytes(b"x")
    assert uploads.sweep_parts(wb) == 1
    assert not stale.exists()
    assert uploads.get_upload(wb, upload_id).offset == 5


def test_aborting_forgets_row_and_bytes(wb: Workbench) -> None:
    upload_id = start(wb)
    send(wb, upload_id, CONTENT[:5])
    uploads.abort_upload(wb, upload_id)
    assert not part_of(wb, upload_id).exists()
    with pytest.raises(NotFoundError):
        uploads.get_upload(wb, upload_id)


@pytest.mark.parametrize(
    ("kind", "filename", "size_bytes", "code", "status"),
    [
        ("model", "", 5, "upload.filename", 422),
        ("model", "a/b/..", 5, "upload.filename", 422),
        ("model", "x" * 300, 5, "upload.filename", 422),
        ("model", "net.onnx", 0, "upload.empty", 422),
        ("model", "net.onnx", -1, "upload.empty", 422),
        ("model", "net.onnx", 2**31 + 1, "upload.too_large", 413),
        ("dataset", "d.zip", 20 * 2**30 + 1, "upload.too_large", 413),
        ("picture", "net.onnx", 5, "upload.kind", 422),
    ],
)
def test_impossible_uploads_are_refused_before_a_byte_comes(
    wb: Workbench, kind: Any, filename: str, size_bytes: int, code: str, status: int
) -> None:
    with pytest.raises(WorkbenchError) as caught:
        uploads.create_upload(wb, kind, filename, size_bytes)
    assert (caught.value.code, caught.value.status) == (code, status)
    with wb.database.read() as session:
        assert session.scalars(select(func.count()).select_from(Upload)).one() == 0


def test_a_full_disk_is_told_before_a_byte_comes(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": wb.settings.min_free_bytes + 100})
    monkeypatch.setattr("app.services.uploads.shutil.disk_usage", lambda _: usage)
    with pytest.raises(InsufficientStorageError) as caught:
        uploads.create_upload(wb, "model", "net.onnx", 101)
    assert (caught.value.code, caught.value.status) == ("upload.disk_full", 507)
    uploads.create_upload(wb, "model", "net.onnx", 100)


def test_folders_in_a_clients_file_name_are_dropped(wb: Workbench) -> None:
    names = ["C:\\models\\net.onnx", "../../etc/net.onnx", "net.onnx\x00\n"]
    made = [uploads.create_upload(wb, "model", name, 5).filename for name in names]
    assert made == ["net.onnx"] * 3


def test_part_refuses_a_wrong_offset_and_a_second_writer(tmp_path: Path) -> None:
    path = tmp_path / "u.part"
    with PartFile(path, 100, 0) as part:
        part.write(b"12345")
        with pytest.raises(ConflictError) as busy:
            PartFile(path, 100, 5)
    assert busy.value.code == "upload.busy"
    with pytest.raises(ConflictError, match="from byte 5") as wrong:
        PartFile(path, 100, 3)
    assert wrong.value.code == "upload.offset"
    with PartFile(path, 100, 5) as part:
        part.write(b"678")
    assert path.read_bytes() == b"12345678"


def test_part_takes_no_more_than_was_announced(tmp_path: Path) -> None:
    with PartFile(tmp_path / "u.part", 4, 0) as part:
        part.write(b"123")
        with pytest.raises(TooLargeError):
            part.write(b"45")
        assert part.offset == 3
        part.write(b"4")
        assert part.complete


def test_part_keeps_what_came_before_the_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    real, left = os.write, [3]

    def short_then_full(descriptor: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "no space")
        written = real(descriptor, data[: left[0]])
        left[0] -= written
        return written

    with PartFile(tmp_path / "u.part", 10, 0) as part:
        monkeypatch.setattr("app.services.part_file.os.write", short_then_full)
        with pytest.raises(UnavailableError):
            part.write(b"12345")
        monkeypatch.undo()
        assert part.offset == 3
    assert (tmp_path / "u.part").read_bytes() == b"123"


def test_uploads_of_others_are_not_found(wb: Workbench) -> None:
    from dataclasses import replace

    upload_id = start(wb)
    with pytest.raises(NotFoundError):
        uploads.get_upload(replace(wb, user_id="somebody else"), upload_id)
