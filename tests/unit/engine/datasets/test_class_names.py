"""Lists of class names in the forms they come in."""

from __future__ import annotations

import pytest

from app.engine.datasets.class_names import MAX_CLASSES, ClassNames, is_names_file, parse_class_names
from app.engine.datasets.recognised import fit_class_names
from tests.support.shared import SHARED, needs_shared


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tench\ngoldfish\n", ("tench", "goldfish")),
        ("\n# classes\ntench\n\ngoldfish", ("tench", "goldfish")),
        ("0 tench\n1 goldfish\n", ("tench", "goldfish")),
        ("0: 'tench',\n1: 'goldfish',\n", ("tench", "goldfish")),
        ("1 tench\n2 goldfish\n", ("1 tench", "2 goldfish")),
        ("7up\n8ball\n", ("7up", "8ball")),
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish\n", ("tench", "goldfish")),
        ("n02012849 crane\nn03126707 crane, machine\n", ("crane", "crane, machine")),
        ("T-shirt/top\n<b>\x07bold</b>\n", ("T-shirt/top", "<b> bold</b>")),
        ("x" * 500, ("x" * 79 + "…",)),
        ("", ()),
        ("name\n" * (MAX_CLASSES + 1), ()),
    ],
)
def test_forms(text: str, names: tuple[str, ...]) -> None:
    assert parse_class_names(text).names == names


@needs_shared
def test_imagenet_in_two_forms_agrees() -> None:
    with_ids = parse_class_names((SHARED / "data" / "MiniImageNet" / "ImageNet_Labels.txt").read_text())
    plain = parse_class_names((SHARED / "data" / "datasets" / "imagenet_classes.txt").read_text())
    assert len(with_ids.names) == len(with_ids.ids) == len(plain.names) == 1000
    differing = [(a, b) for a, b in zip(with_ids.names, plain.names, strict=True) if a != b]
    assert all(a.startswith(b) for a, b in differing)  # two classes share their first word
    assert len(set(with_ids.names)) == 999  # crane is a bird and a machine, and no more is said of either


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ImageNet_Labels.txt", True),
        ("deep/imagenet-classes.txt", True),
        ("classes.txt", True),
        ("val.txt", False),
        ("classes.csv", False),
        ("my_classes.txt", False),
    ],
)
def test_names_of_such_files(name: str, expected: bool) -> None:
    assert is_names_file(name) is expected


def test_folders_called_by_id_or_by_name_have_the_label_of_their_line() -> None:
    names = ClassNames(("tench", "goldfish", "shark"), ("n01", "n02", "n03"))
    assert names.labels_of(["n03", "n01"]) == {"n03": 2, "n01": 0}
    assert names.labels_of(["goldfish"]) == {"goldfish": 1}
    assert names.labels_of(["n01", "goldfish"]) is None
    assert ClassNames(("crane", "crane")).labels_of(["crane"]) is None


@pytest.mark.parametrize(
    ("labels", "names", "notices"),
    [
        ((0, 1), ("a", "b"), 0),
        ((0,), ("a", "b"), 0),
        ((1, 2), ("class 0", "a", "b"), 0),
        ((0, 2), (), 1),
        ((5,), (), 1),
    ],
)
def test_names_must_be_enough_for_the_labels(labels: tuple[int, ...], names: tuple[str, ...], notices: int) -> None:
    fitted, said = fit_class_names(("a", "b"), labels)
    assert (fitted, len(said)) == (names, notices)
