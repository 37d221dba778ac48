"""What was understood of a dataset, and the index that later stages read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.engine.graph.description import Notice


@dataclass(frozen=True)
class Sample:
    """One image. Its encoded bytes lie in the pack at [offset, offset + size), or in the file `path` below the index's root."""

    name: str
    label: int | None
    width: int
    height: int
    offset: int = 0
    size: int = 0
    path: str = ""


@dataclass(frozen=True)
class DatasetIndex:
    """Written as `index.json`; order is the order of the listing, then of names."""

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...] = ()
    """By label; empty when the dataset names none."""
    root: str = ""
    """Absolute folder for samples that have a `path` (a local folder given to the CLI); empty for a pack."""


@dataclass(frozen=True)
class Unreadable:
    name: str
    reason: str


@dataclass(frozen=True)
class DatasetDescription:
    format: Literal["imagenet-list", "class-folders", "unlabelled"]
    images: int
    labelled: int
    classes: int
    """Number of distinct labels seen (0 without labels)."""
    label_min: int | None
    label_max: int | None
    class_names: tuple[str, ...]
    class_counts: dict[str, int]
    """Class name (or label as text) -> images, largest first, at most 1,000."""
    size_bytes: int
    """Of the encoded images together."""
    smallest: tuple[int, int] | None
    """Width, height of the smallest image by area."""
    largest: tuple[int, int] | None
    thumbnails: tuple[int, ...]
    """Sample numbers that have a thumbnail `thumb-<n>.jpg` (longer side 192), spread over the set, at most 24."""
    unreadable: tuple[Unreadable, ...] = ()
    notices: tuple[Notice, ...] = ()
    thumbnail_labels: tuple[str, ...] = ()
    """For each of `thumbnails` its label as people read it: class name, else the number, "" without a label."""
