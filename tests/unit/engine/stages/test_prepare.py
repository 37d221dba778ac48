"""Prepared arrays hold what geometry gives for each image, wherever its bytes lie and however many threads work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.engine.preprocessing.pipeline import Preprocessing, geometry
from app.engine.stages import prepare
from app.engine.stages.samples import spread
from app.errors import WorkbenchError
from tests.support.archive_builder import tiny_dataset
from tests.support.indexes import index_of_files, index_of_listing, packed_index, write_index
from tests.support.stage_runs import stage_context

P = Preprocessing(24, 20, shorter_side=30, colour="BGR")


def prepared(folder: Path, spec: prepare.Spec, threads: int = 2) -> tuple[np.ndarray, np.ndarray]:
    context, _ = stage_context(folder, threads)
    result = prepare.run(spec, context)
    pixels, labels = np.load(folder / result.pixels_file, mmap_mode="r"), np.load(folder / result.labels_file)
    assert (len(pixels), pixels.dtype, labels.dtype) == (result.n, np.uint8, np.int64)
    return pixels, labels


def test_rows_are_the_geometry_of_the_images_in_order(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=37)
    index = index_of_listing(images, tmp_path / "index.json")
    pixels, labels = prepared(tmp_path / "out", prepare.Spec(index, None, P))
    np.testing.assert_array_equal(labels, np.arange(37) % 10)
    for number in range(37):
        with Image.open(images / f"image_{number:05d}.jpg") as image:
            np.testing.assert_array_equal(pixels[number], geometry(image, P))


def test_pack_and_folder_and_thread_counts_give_the_same_bytes(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=20)
    index = index_of_listing(images, tmp_path / "index.json")
    names = [(f"image_{number:05d}.jpg", number % 10) for number in range(20)]
    packed_index(images, names, tmp_path / "packed.json", tmp_path / "pack.bin")
    prepared(tmp_path / "a", prepare.Spec(index, None, P), threads=1)
    prepared(tmp_path / "b", prepare.Spec(tmp_path / "packed.json", tmp_path / "pack.bin", P), threads=3)
    for name in ("pixels.npy", "labels.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_missing_labels_become_minus_one(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=3, labelled="none")
    index = index_of_files(images, tmp_path / "index.json", sorted(path.name for path in images.iterdir()))
    _, labels = prepared(tmp_path / "out", prepare.Spec(index, None, P))
    np.testing.assert_array_equal(labels, [-1, -1, -1])


def test_part_of_a_dataset_is_spread_over_its_classes(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=20, classes=20)
    index = index_of_listing(images, tmp_path / "index.json")
    pixels, labels = prepared(tmp_path / "out", prepare.Spec(index, None, P, samples=5))
    np.testing.assert_array_equal(labels, [0, 4, 8, 12, 16])
    assert len(pixels) == 5


@pytest.mark.parametrize(("n", "wanted"), [(10, 3), (3, 10), (1, 1), (1000, 48)])
def test_spread_gives_different_numbers_in_order(n: int, wanted: int) -> None:
    numbers = spread(n, wanted)
    assert len(numbers) == min(n, wanted)
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-1] < n


def test_progress_ends_with_all_samples(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=40)
    context, reported = stage_context(tmp_path / "out")
    prepare.run(prepare.Spec(index_of_listing(images, tmp_path / "index.json"), None, P), context)
    done = [progress.done for progress in reported]
    assert done == sorted(done)
    assert (done[-1], reported[-1].total) == (40, 40)


def test_empty_dataset_is_refused(tmp_path: Path) -> None:
    context, _ = stage_context(tmp_path / "out")
    with pytest.raises(WorkbenchError) as refused:
        prepare.run(prepare.Spec(write_index(tmp_path / "index.json", tmp_path, []), None, P), context)
    assert refused.value.code == "dataset.empty"


@pytest.mark.parametrize("damage", ["truncated", "gone", "replaced"])
def test_image_damaged_since_the_inspection_is_named(tmp_path: Path, damage: str) -> None:
    images = tiny_dataset(tmp_path / "images", n=4)
    index = index_of_listing(images, tmp_path / "index.json")
    victim = images / "image_00002.jpg"
    content = {"truncated": victim.read_bytes()[:400], "replaced": b"not an image"}.get(damage)
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    context, _ = stage_context(tmp_path / "out")
    with pytest.raises(WorkbenchError) as refused:
        prepare.run(prepare.Spec(index, None, P), context)
    assert (refused.value.code, refused.value.where) == ("sample.unreadable", "image_00002.jpg")
    assert str(tmp_path) not in str(refused.value)


def test_pack_cut_short_is_refused(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=2)
    pack = tmp_path / "pack.bin"
    packed_index(images, [("image_00000.jpg", 0), ("image_00001.jpg", 1)], tmp_path / "index.json", pack)
    pack.write_bytes(pack.read_bytes()[:-10])
    context, _ = stage_context(tmp_path / "out")
    with pytest.raises(WorkbenchError) as refused:
        prepare.run(prepare.Spec(tmp_path / "index.json", pack, P), context)
    assert (refused.value.code, refused.value.where) == ("sample.unreadable", "image_00001.jpg")


def test_geometry_that_does_not_suit_an_image_names_it(tmp_path: Path) -> None:
    Image.new("RGB", (3, 900)).save(tmp_path / "strip.png")
    index = index_of_files(tmp_path, tmp_path / "index.json", ["strip.png"])
    context, _ = stage_context(tmp_path / "out")
    with pytest.raises(WorkbenchError) as refused:
        prepare.run(prepare.Spec(index, None, P), context)
    assert (refused.value.code, refused.value.where) == ("preprocessing.aspect_ratio", "strip.png")
