"""From an upload to an index: every archive and layout gives the same samples, every problem an answer."""

from __future__ import annotations

import errno
import io
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.engine.datasets.description import DatasetIndex, Unreadable
from app.engine.datasets.examination import Pack
from app.engine.datasets.images import ImageFacts
from app.engine.records import read_json
from app.engine.stages.context import Progress
from app.engine.stages.inspect_dataset import THUMBNAILS, Result, Spec, run
from app.engine.stages.samples import Samples
from app.errors import WorkbenchError
from app.jobs.executor import Artifact
from app.jobs.local import LocalExecutor
from app.settings import Settings
from tests.support.archive_builder import Labelled, tiny_dataset, write_tar, write_zip
from tests.support.shared import SHARED, needs_shared
from tests.support.stage_runs import stage_context

FORMS = ["folder", "d.zip", "d.tar", "d.tar.gz", "d.tgz", "d.tar.bz2", "d.tar.xz"]


def inspect(upload: Path, folder: Path) -> tuple[Result, DatasetIndex]:
    context, _ = stage_context(folder)
    result = run(Spec(upload, upload.name), context)
    return result, read_json(DatasetIndex, folder / result.index_file)


def png(value: int = 0, size: tuple[int, int] = (4, 3)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(out, "PNG")
    return out.getvalue()


def refusal(upload: Path, folder: Path) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as caught:
        inspect(upload, folder)
    return caught.value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inside", ["", "my set"])
def test_every_archive_gives_the_samples_of_the_folder(tmp_path: Path, form: str, inside: str) -> None:
    upload = tiny_dataset(tmp_path / form, 12, 3, inside=inside, class_names=True)
    result, index = inspect(upload, tmp_path / "stage")
    prefix = f"{inside}/" if inside else ""
    assert [(sample.name, sample.label) for sample in index.samples] == [
        (f"{prefix}image_{n:05d}.jpg", n % 3) for n in range(12)
    ]
    assert index.class_names == ("colour 0", "colour 1", "colour 2")
    assert (result.pack_file == "") == (form == "folder")
    original = tiny_dataset(tmp_path / "original", 12, 3)
    with Samples(
        tmp_path / "stage" / "index.json", tmp_path / "stage" / result.pack_file if result.pack_file else None
    ) as all_:
        for n in range(12):
            with Image.open(original / f"image_{n:05d}.jpg") as expected:
                assert np.array_equal(np.asarray(all_.decode(n)), np.asarray(expected))
                assert (all_[n].width, all_[n].height) == expected.size


@pytest.mark.parametrize(
    ("labelled", "format_name", "labels"),
    [("list", "imagenet-list", 20), ("folders", "class-folders", 20), ("none", "unlabelled", 0)],
)
def test_the_description_of_each_format(tmp_path: Path, labelled: Labelled, format_name: str, labels: int) -> None:
    upload = tiny_dataset(tmp_path / "set.zip", 20, 10, labelled)
    result, index = inspect(upload, tmp_path / "stage")
    description = result.description
    assert (description.format, description.images, description.labelled) == (format_name, 20, labels)
    assert description.classes == (10 if labels else 0)
    assert (description.label_min, description.label_max) == ((0, 9) if labels else (None, None))
    assert sum(description.class_counts.values()) == labels
    assert (
        description.size_bytes
        == sum(sample.size for sample in index.samples)
        == (tmp_path / "stage/samples.pack").stat().st_size
    )
    areas = sorted(sample.width * sample.height for sample in index.samples)
    assert description.smallest is not None
    assert description.largest is not None
    assert [np.prod(description.smallest), np.prod(description.largest)] == [areas[0], areas[-1]]
    assert description.notices == ()
    assert description.unreadable == ()


def test_thumbnails_are_spread_over_the_set_and_say_their_label(tmp_path: Path) -> None:
    upload = tiny_dataset(tmp_path / "set.zip", 100, 10, class_names=True)
    result, _ = inspect(upload, tmp_path / "stage")
    numbers = result.description.thumbnails
    assert len(numbers) == THUMBNAILS
    assert numbers[0] == 0
    assert max(b - a for a, b in pairwise(numbers)) <= 5
    assert result.thumbnail_files == tuple(f"thumb-{n}.jpg" for n in numbers)
    assert result.description.thumbnail_labels == tuple(f"colour {n % 10}" for n in numbers)
    for name in result.thumbnail_files:
        with Image.open(tmp_path / "stage" / name) as image:
            assert image.format == "JPEG"


def test_unreadable_images_are_left_out_and_labels_stay(tmp_path: Path) -> None:
    files = {"a/1.png": png(), "b/1.png": png(size=(500, 500))[:-60], "b/2.png": b"", "c/1.png": b"<html>", "c/2.png": png()}
    result, index = inspect(write_zip(tmp_path / "set.zip", files), tmp_path / "stage")
    assert [(sample.name, sample.label) for sample in index.samples] == [("a/1.png", 0), ("c/2.png", 2)]
    assert index.class_names == ("a", "b", "c")
    assert [entry.name for entry in result.description.unreadable] == ["b/1.png", "b/2.png", "c/1.png"]
    assert Unreadable("b/2.png", "0 bytes") in result.description.unreadable


def test_what_images_lose_is_said(tmp_path: Path) -> None:
    out, grey, clear = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.new("L", (4, 4)).save(out, "GIF", save_all=True, append_images=[Image.new("L", (4, 4), 9)])
    Image.fromarray(np.full((2, 2), 40_000, np.uint16)).save(grey, "PNG")
    Image.new("RGBA", (2, 2)).save(clear, "PNG")
    files = {"a.gif": out.getvalue(), "b.png": grey.getvalue(), "c.png": clear.getvalue(), "d.png": clear.getvalue()}
    result, _ = inspect(write_zip(tmp_path / "set.zip", files), tmp_path / "stage")
    said = {notice.code: notice.message for notice in result.description.notices}
    assert said == {
        "dataset.sixteen_bit": "1 image has 16 bits per pixel: the upper 8 are used.",
        "dataset.transparent": "2 images are partly transparent: colours are used as stored, as if opaque.",
        "dataset.animated": "1 image is animated: the first frame is used.",
    }


@pytest.mark.parametrize(
    ("files", "code", "where"),
    [
        ({"readme.md": b"hello"}, "dataset.empty", "set.zip"),
        ({"a.png": b"no"}, "dataset.empty", "a.png"),
        ({"a.zip": b"PK"}, "archive.nested", "a.zip"),
        ({"a.png": png(), "val.txt": b"a.png -1\n"}, "dataset.label_out_of_range", "val.txt, line 1"),
        ({"a.png": png(), "val.txt": b"a.png 99999999999999999999\n"}, "dataset.label_out_of_range", "val.txt, line 1"),
        ({"a.png": png(), "val.txt": b"a.png cat\n"}, "dataset.bad_listing", "val.txt, line 1"),
        ({"a.png": png(), "val.txt": b"b.png 1\n"}, "dataset.empty", "val.txt"),
        ({"../a.png": png()}, "archive.unsafe_name", "../a.png"),
    ],
)
def test_refusals_name_the_place(tmp_path: Path, files: dict[str, bytes], code: str, where: str) -> None:
    error = refusal(write_zip(tmp_path / "set.zip", files), tmp_path / "stage")
    assert (error.code, error.where) == (code, where)
    assert str(tmp_path) not in str(error)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "dataset.not_archive"), (png(), "dataset.not_archive"), (b"PK\x03\x04 cut", "dataset.truncated_archive")],
)
def test_files_that_are_no_archive(tmp_path: Path, data: bytes, code: str) -> None:
    upload = tmp_path / "blob"
    upload.write_bytes(data)
    context, _ = stage_context(tmp_path / "stage")
    with pytest.raises(WorkbenchError) as caught:
        run(Spec(upload, "my set.zip"), context)
    assert (caught.value.code, caught.value.where) == (code, "my set.zip")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert refusal(tmp_path / "nothing", tmp_path / "stage").code == "dataset.empty"


def test_the_same_upload_gives_the_same_bytes(tmp_path: Path) -> None:
    upload = tiny_dataset(tmp_path / "set.tar.gz", 30, 3)
    for stage in ("one", "two"):
        inspect(upload, tmp_path / stage)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_progress_counts_images_to_the_end(tmp_path: Path) -> None:
    upload = tiny_dataset(tmp_path / "set.zip", 15, 3)
    context, reported = stage_context(tmp_path / "stage")
    run(Spec(upload, "set.zip"), context)
    assert [progress.message for progress in reported[:2]] == ["reading the names of the files", "16 files"]
    counts = [progress.done for progress in reported if not progress.message]
    assert counts == list(range(1, 16))
    assert reported[-1] == Progress(15, 15, "15 of 15 images can be used")


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_an_empty_class_folder_counts_in_archives_and_folders_alike(tmp_path: Path, form: str) -> None:
    files = {"cat/1.png": png(), "dog/": b"", "eel/1.png": png()}
    upload = tmp_path / "set.zip"
    write_zip(upload, files)
    if form == "folder":
        shutil.unpack_archive(upload, tmp_path / "set")
        upload = tmp_path / "set"
    result, index = inspect(upload, tmp_path / "stage")
    assert [(sample.name, sample.label) for sample in index.samples] == [("cat/1.png", 0), ("eel/1.png", 2)]
    assert [notice.code for notice in result.description.notices] == ["dataset.empty_class"]


@pytest.mark.parametrize("form", ["folder", "set.tar.gz"])
def test_in_a_child_the_same(tmp_path: Path, form: str) -> None:
    upload = tiny_dataset(tmp_path / form, 8, 4)
    executor = LocalExecutor(tmp_path / "work", Settings(cores=2))
    outcome = executor.run("inspect_dataset", files={"upload": Artifact(upload)}, params={"filename": form})
    result, index = inspect(upload, tmp_path / "here")
    assert outcome.load(Result) == result
    assert set(outcome.files) == {"index.json", *result.thumbnail_files, *([result.pack_file] if result.pack_file else [])}
    assert read_json(DatasetIndex, outcome.files["index.json"].path) == index


def test_in_a_child_a_refusal_keeps_its_words(tmp_path: Path) -> None:
    upload = write_zip(tmp_path / "upload", {"../a.png": png()})
    executor = LocalExecutor(tmp_path / "work", Settings(cores=2))
    with pytest.raises(WorkbenchError) as caught:
        executor.run("inspect_dataset", files={"upload": Artifact(upload)}, params={"filename": "set.zip"})
    assert caught.value.as_dict() == refusal(upload, tmp_path / "here").as_dict()


def test_a_folder_is_not_copied(tmp_path: Path) -> None:
    upload = tiny_dataset(tmp_path / "set", 6, 3, "folders")
    result, index = inspect(upload, tmp_path / "stage")
    assert index.root == str(upload)
    assert {sample.path for sample in index.samples} == {sample.name for sample in index.samples}
    assert sorted(path.name for path in (tmp_path / "stage").iterdir()) == sorted(["index.json", *result.thumbnail_files])
    shutil.rmtree(upload)
    with Samples(tmp_path / "stage" / "index.json", None) as samples, pytest.raises(WorkbenchError) as caught:
        samples.decode(0)
    assert caught.value.code == "sample.unreadable"


def test_a_full_disk_is_an_answer() -> None:
    pack = Pack(Path("/dev/full"))
    with pack, pytest.raises(WorkbenchError) as caught:
        pack.place("a.png", None, ImageFacts(1, 1, False, False, False, False), b"x")
    assert caught.value.code == "stage.disk_full"
    assert errno.errorcode[caught.value.__cause__.errno] == "ENOSPC"  # type: ignore[union-attr]


@needs_shared
def test_the_articles_dataset(tmp_path: Path) -> None:
    folder = SHARED / "data" / "MiniImageNet"
    lines = [line.split() for line in (folder / "val.txt").read_text().splitlines()]
    files = {f"MiniImageNet/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    uploads = {
        "folder": folder,
        "zip": write_zip(tmp_path / "mini.zip", files, method=0),
        "tar": write_tar(tmp_path / "mini.tar", files),
    }
    for form, upload in uploads.items():
        result, index = inspect(upload, tmp_path / form)
        assert [(sample.name.rpartition("/")[2], sample.label) for sample in index.samples] == [
            (name, int(label)) for name, label in lines
        ]
        assert len(index.class_names) == 1000
        assert index.class_names[:2] == ("tench", "goldfish")
        assert (result.description.classes, result.description.labelled) == (len({label for _, label in lines}), 100)
        assert result.description.notices == ()
