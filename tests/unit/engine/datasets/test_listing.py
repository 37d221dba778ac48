"""Lists of labels: how lines are read, and which file each one means."""

from __future__ import annotations

import unicodedata

import pytest

from app.engine.datasets.class_names import ClassNames
from app.engine.datasets.file_finder import FileFinder
from app.engine.datasets.listing import looks_like_listing, parse_listing, read_listing
from app.engine.datasets.texts import as_text
from app.errors import WorkbenchError


def parsed(text: str) -> list[tuple[str, int]]:
    return [(line.file, line.label) for line in parse_listing(text, "val.txt")]


@pytest.mark.parametrize(
    ("line", "file", "label"),
    [
        ("a.jpg 7", "a.jpg", 7),
        ("  a.jpg\t7  ", "a.jpg", 7),
        ("a.jpg,7", "a.jpg", 7),
        ("a.jpg; 7", "a.jpg", 7),
        ("my cat, sitting.jpg 7", "my cat, sitting.jpg", 7),
        ('"my cat.jpg", 7', "my cat.jpg", 7),
        ("val/n01/a.jpg 007", "val/n01/a.jpg", 7),
        ("a.jpg +7", "a.jpg", 7),
        ("a.jpg 100000", "a.jpg", 100_000),
    ],
)
def test_forms_of_a_line(line: str, file: str, label: int) -> None:
    assert parsed(line) == [(file, label)]


def test_empty_lines_and_comments_say_nothing_and_order_stays() -> None:
    assert parsed("# made by hand\n\nb.jpg 1\na.jpg 0\n\n") == [("b.jpg", 1), ("a.jpg", 0)]


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a.jpg 0\nb.jpg\n", "dataset.bad_listing", "val.txt, line 2"),
        ("a.jpg cat\n", "dataset.bad_listing", "val.txt, line 1"),
        ("a.jpg 1.0\n", "dataset.bad_listing", "val.txt, line 1"),
        ("a.jpg ١\n", "dataset.bad_listing", "val.txt, line 1"),
        ("\n\na.jpg -1\n", "dataset.label_out_of_range", "val.txt, line 3"),
        ("a.jpg 100001\n", "dataset.label_out_of_range", "val.txt, line 1"),
        (f"a.jpg {'9' * 10_000}\n", "dataset.label_out_of_range", "val.txt, line 1"),
        ("a.jpg 1\nb.jpg 2\na.jpg 3\n", "dataset.bad_listing", "val.txt, line 3"),
        ("", "dataset.bad_listing", "val.txt"),
    ],
)
def test_wrong_lines_are_named(text: str, code: str, where: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        parse_listing(text, "val.txt")
    assert (caught.value.code, caught.value.where) == (code, where)
    assert len(str(caught.value)) < 500


def test_a_repeated_line_counts_once() -> None:
    assert parsed("a.jpg 1\na.jpg 1\n") == [("a.jpg", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jpg 1\nb.PNG 2\n", True),
        ("a.jpg oops\n", True),
        ("tench\ngoldfish\n", False),
        ("n01440764 tench, Tinca tinca\n", False),
        ("0 tench\n1 goldfish\n", False),
        ("a.jpg\nb.jpg\n", False),
        ("These pictures are from a.jpg to z.jpg\nand others\nwithout labels\n", False),
        ("", False),
    ],
)
def test_what_looks_like_a_listing(text: str, expected: bool) -> None:
    assert looks_like_listing(text) is expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_of_any_editor(encoding: str, end: str) -> None:
    text = f"käfer.jpg 1{end}b.jpg 2{end}"
    assert parsed(as_text(text.encode(encoding))) == [("käfer.jpg", 1), ("b.jpg", 2)]


def test_where_a_file_is_looked_for() -> None:
    names = ["set/val/a.jpg", "set/images/b.jpg", "set/x/c.jpg", "set/y/c.jpg", "d.jpg", "set/d.jpg"]
    finder = FileFinder(names, "set/val.txt")
    assert finder.find("val/a.jpg") == "set/val/a.jpg"  # beside the list
    assert finder.find("set/val/a.jpg") == "set/val/a.jpg"  # from the top
    assert finder.find("b.jpg") == "set/images/b.jpg"  # the only one of that name
    assert finder.find("/home/me/set/y/c.jpg") == "set/y/c.jpg"  # the one that shares more folders
    assert finder.find(r".\y\c.jpg") == "set/y/c.jpg"
    assert finder.find("c.jpg") is None  # two of them
    assert finder.find("d.jpg") == "set/d.jpg"  # beside the list goes first
    assert finder.find("missing.jpg") is None
    assert finder.find("../..") is None


def test_accents_of_macos_are_the_same_letters() -> None:
    stored = unicodedata.normalize("NFD", "café.jpg")
    assert FileFinder([stored], "val.txt").find("café.jpg") == stored


def test_missing_and_unlisted_images_are_counted_and_named() -> None:
    text = "".join(f"{name}.jpg 0\n" for name in "abcde")
    result = read_listing(["val.txt", "train.txt"], text, ["a.jpg", "z.jpg"], ["a.jpg", "z.jpg"], ClassNames())
    assert result.samples == (("a.jpg", 0),)
    notices = {notice.code: notice.message for notice in result.notices}
    assert notices["dataset.label_without_image"].startswith("4 images are named in val.txt but not there")
    assert "b.jpg, c.jpg, d.jpg, …" in notices["dataset.label_without_image"]
    assert notices["dataset.image_without_label"] == "1 image is not named in val.txt and left out (z.jpg)."
    assert "train.txt" in notices["dataset.other_listing"]


def test_a_listing_of_which_nothing_is_there_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="None of the 1 images that the list names is there") as caught:
        read_listing(["val.txt"], "a.jpg 0\n", ["b.jpg"], ["b.jpg"], ClassNames())
    assert caught.value.code == "dataset.empty"


def test_two_lines_that_mean_one_file_must_agree() -> None:
    with pytest.raises(WorkbenchError, match="has label 2 here, but 1 before") as caught:
        read_listing(["val.txt"], "a.jpg 1\nx/a.jpg 2\n", ["a.jpg"], ["a.jpg"], ClassNames())
    assert caught.value.where == "val.txt, line 2"
