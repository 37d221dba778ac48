"""Which format, which images, which labels: from names and texts alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest

from app.engine.datasets import recognise as module
from app.engine.datasets.recognise import MAX_TEXTS, recognise
from app.engine.datasets.recognised import Recognised
from app.errors import WorkbenchError


def recognised(images: Sequence[str], texts: Mapping[str, str] | None = None, folders: Collection[str] = ()) -> Recognised:
    texts = texts or {}
    sizes = dict.fromkeys(images, 100) | {name: len(text) for name, text in texts.items()}
    return recognise(sizes, folders, lambda names: {name: texts[name] for name in names})


def codes(result: Recognised) -> list[str]:
    return [notice.code for notice in result.notices]


@pytest.mark.parametrize("top", ["", "MiniImageNet/"])
@pytest.mark.parametrize("below", ["", "images/", "val/deep/"])
@pytest.mark.parametrize("listing", ["val.txt", "train.txt", "anything.txt"])
def test_a_list_of_labels_beside_or_above_its_images(top: str, below: str, listing: str) -> None:
    result = recognised([f"{top}{below}b.JPEG", f"{top}{below}a.JPEG"], {f"{top}{listing}": "b.JPEG 65\na.JPEG 970\n"})
    assert result.format == "imagenet-list"
    assert result.samples == ((f"{top}{below}b.JPEG", 65), (f"{top}{below}a.JPEG", 970))
    assert result.notices == ()


def test_names_of_classes_are_no_listing() -> None:
    names = "".join(f"n{number:08} word {number}, other\n" for number in range(3))
    result = recognised(["a.jpg"], {"ImageNet_Labels.txt": names, "val.txt": "a.jpg 2\n"})
    assert result.samples == (("a.jpg", 2),)
    assert result.class_names == ("word 0", "word 1", "word 2")


def test_validation_is_chosen_before_training() -> None:
    texts = {"train.txt": "a.jpg 1\nb.jpg 1\n", "sub/val.txt": "b.jpg 2\n", "zz.txt": "a.jpg 5\nb.jpg 5\n"}
    result = recognised(["a.jpg", "b.jpg"], texts)
    assert result.samples == (("b.jpg", 2),)
    assert codes(result) == ["dataset.image_without_label", "dataset.other_listing"]


def test_a_listed_file_needs_no_ending_of_an_image() -> None:
    assert recognised(["photo1", "b.jpg"], {"val.txt": "photo1 4\nb.jpg 1\n"}).samples == (("photo1", 4), ("b.jpg", 1))


def test_a_list_without_labels_is_named_when_nothing_else_gives_labels() -> None:
    with pytest.raises(WorkbenchError, match="no label") as caught:
        recognised(["a.jpg", "b.jpg"], {"val.txt": "a.jpg\nb.jpg\n"})
    assert caught.value.where == "val.txt, line 1"


def test_a_list_without_labels_does_not_matter_beside_class_folders() -> None:
    result = recognised(["images/pie/1.jpg", "images/soup/2.jpg"], {"meta/test.txt": "pie/1\nsoup/2\n"})
    assert result.format == "class-folders"


def test_class_folders_are_numbered_in_the_order_of_names() -> None:
    images = ["set/dog/2.jpg", "set/Zebra/1.jpg", "set/cat/1.jpg", "set/dog/1.jpg"]
    result = recognised(images)
    assert result.format == "class-folders"
    assert result.class_names == ("Zebra", "cat", "dog")
    assert result.samples == (("set/Zebra/1.jpg", 0), ("set/cat/1.jpg", 1), ("set/dog/1.jpg", 2), ("set/dog/2.jpg", 2))


def test_folders_with_numbers_are_the_labels_in_the_order_of_numbers() -> None:
    result = recognised(["10/a.jpg", "9/b.jpg", "007/c.jpg"])
    assert result.samples == (("007/c.jpg", 7), ("9/b.jpg", 9), ("10/a.jpg", 10))
    assert result.class_names == ()


@pytest.mark.parametrize("folders", [("1", "01"), ("1", "two"), ("5", "20240131"), ("1", "-1")])
def test_numbers_that_cannot_be_labels_are_names(folders: tuple[str, str]) -> None:
    result = recognised([f"{folder}/a.jpg" for folder in folders])
    assert result.class_names == tuple(sorted(folders))
    assert {label for _, label in result.samples} == {0, 1}


def test_folders_called_by_wordnet_id_have_imagenets_labels() -> None:
    names = "n01440764 tench, Tinca tinca\nn01443537 goldfish\nn01484850 great white shark\n"
    result = recognised(["val/n01484850/x.jpg", "val/n01440764/y.jpg"], {"synset_words.txt": names})
    assert result.samples == (("val/n01440764/y.jpg", 0), ("val/n01484850/x.jpg", 2))
    assert result.class_names == ("tench", "goldfish", "great white shark")


def test_one_part_of_a_divided_set_is_used() -> None:
    images = [f"data/{part}/{label}/{n}.jpg" for part in ("train", "Val") for label in ("cat", "dog") for n in range(2)]
    result = recognised(images)
    assert [name for name, _ in result.samples] == sorted(name for name in images if "/Val/" in name)
    assert result.class_names == ("cat", "dog")
    assert codes(result) == ["dataset.part_unused"]


def test_vehicles_may_be_called_train() -> None:
    assert recognised(["train/1.jpg", "plane/1.jpg", "car/1.jpg"]).class_names == ("car", "plane", "train")


def test_masks_are_no_class() -> None:
    result = recognised(["images/1.jpg", "masks/1.png"])
    assert (result.format, result.samples) == ("unlabelled", (("images/1.jpg", None),))
    assert codes(result) == ["dataset.part_unused"]


def test_images_beside_class_folders_are_left_out_and_said() -> None:
    result = recognised(["overview.png", "cat/1.jpg", "dog/1.jpg"])
    assert [name for name, _ in result.samples] == ["cat/1.jpg", "dog/1.jpg"]
    assert codes(result) == ["dataset.image_without_label"]


def test_an_empty_class_folder_takes_part_in_the_numbering() -> None:
    result = recognised(
        ["cat/1.jpg", "eel/1.jpg"], {"notes/x.txt": "hello"}, folders=["", "cat", "dog", "eel", "notes", ".git"]
    )
    assert result.class_names == ("cat", "dog", "eel")
    assert dict(result.samples) == {"cat/1.jpg": 0, "eel/1.jpg": 2}
    assert codes(result) == ["dataset.empty_class"]


@pytest.mark.parametrize("images", [["b.jpg", "a.jpg"], ["photos/b.jpg", "photos/a.jpg"], ["x/y/b.jpg", "x/y/a.jpg"]])
def test_one_folder_is_no_class(images: list[str]) -> None:
    result = recognised(images)
    assert (result.format, result.samples) == ("unlabelled", tuple((name, None) for name in sorted(images)))


def test_what_systems_leave_behind_is_passed_over() -> None:
    result = recognised(["cat/1.jpg", "dog/1.jpg", "__MACOSX/cat/._1.jpg", "cat/._1.jpg", ".thumbs/1.jpg"])
    assert [name for name, _ in result.samples] == ["cat/1.jpg", "dog/1.jpg"]
    assert result.notices == ()


def test_nothing_to_use() -> None:
    with pytest.raises(WorkbenchError, match="has 0 in 1 files") as caught:
        recognised(["readme.md"])
    assert caught.value.code == "dataset.empty"
    with pytest.raises(WorkbenchError, match="2 archives in it") as caught:
        recognised(["n01.tar", "n02.tar"])
    assert caught.value.code == "archive.nested"


def test_a_text_beside_each_image_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(names: Collection[str]) -> dict[str, str]:
        asked.extend(names)
        return {name: "0.jpg 3\n" if name == "labels/val.txt" else "0 0.5 0.5 1 1" for name in names}

    sizes = {f"labels/{n}.{end}": 9 for n in range(500) for end in ("jpg", "txt")} | {"labels/val.txt": 8}
    assert recognise(sizes, (), read).samples == (("labels/0.jpg", 3),)
    assert len(asked) == MAX_TEXTS
    assert module.MAX_TEXT_BYTES > 1_000_000
