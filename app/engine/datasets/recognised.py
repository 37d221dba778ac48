"""What recognition gives, and the notices that all formats share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.engine.datasets.class_tree import Tree
from app.engine.datasets.members import showable
from app.engine.graph.description import Notice

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Recognised:
    format: Literal["imagenet-list", "class-folders", "unlabelled"]
    samples: tuple[tuple[str, int | None], ...]
    """(name, label) of each image that should be there, in the order of the dataset."""
    class_names: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def count_notice(names: Sequence[str], code: str, what: str, hint: str, *, noun: str = "image") -> tuple[Notice, ...]:
    """`12 images are not named in val.txt and left out (a, b, c, …).`; none for no names."""
    if not names:
        return ()
    count = f"1 {noun} is" if len(names) == 1 else f"{len(names):,} {noun}s are"
    return (Notice(code, f"{count} {what} ({first_names(names)}).", hint),)


def part_notice(tree: Tree) -> tuple[Notice, ...]:
    what = f"not in {showable(tree.base)} and left out"
    return count_notice(tree.unused, "dataset.part_unused", what, "Upload the other part alone if you want it.")


def fit_class_names(names: tuple[str, ...], labels: Sequence[int]) -> tuple[tuple[str, ...], tuple[Notice, ...]]:
    """Names by label; labels that count from 1 get a placeholder in front; a list too short for the labels is not used."""
    if not names or max(labels) < len(names):
        return names, ()
    if max(labels) == len(names) and min(labels) == 1:
        return ("class 0", *names), ()
    message = f"Classes are shown by number: the list of names has {len(names):,}, but labels go up to {max(labels):,}."
    return (), (Notice("dataset.class_names_unused", message, "Add a list with one name for each class."),)


def first_names(names: Sequence[str]) -> str:
    return ", ".join(showable(name) for name in names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
