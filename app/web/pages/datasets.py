"""Datasets: what was uploaded, what was understood of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import Notice
from app.services.views import DatasetView, UploadView
from app.web.filters import count, plural, points_value
from app.web.pages.models import Fact, asset_chip
from app.web.pages.parts import Part
from app.web.pages.words import Chip

FORMATS = {
    "imagenet-list": "ImageNet: images and a list of labels",
    "class-folders": "One folder per class",
    "unlabelled": "Images without labels",
}
SHOWN_CLASSES = 12
CARD_THUMBNAILS = 5
TINY_PX = 128
"""Pictures up to this side (digits, clothes) are shown whole: cutting them to the frame loses too much."""
WEAK_POINTS = 2.0
"""A set that certifies only larger drops than this is a rough check; the usual limit is 1 point."""
USUAL_LIMIT_POINTS = 1.0


@dataclass(frozen=True)
class Picture:
    src: str
    label: str


@dataclass(frozen=True)
class ClassBar:
    name: str
    count: str
    share: float
    """Of the largest, 0 to 1."""


@dataclass(frozen=True)
class DatasetCard:
    dataset: DatasetView
    chip: Chip
    summary: str
    facts: tuple[Fact, ...]
    pictures: tuple[Picture, ...]
    whole: bool
    """Show pictures whole, not cut to the frame."""
    notices: tuple[Notice, ...]
    """The engine's, and ours about what the set can certify."""


@dataclass(frozen=True)
class DatasetsPage:
    cards: tuple[DatasetCard, ...]
    part: Part
    unfinished: tuple[UploadView, ...]
    busy: bool
    max_bytes: int


@dataclass(frozen=True)
class DatasetPage:
    card: DatasetCard
    busy: bool
    classes: tuple[ClassBar, ...]
    more_classes: tuple[ClassBar, ...]
    name: str
    name_error: str


def datasets_page(
    datasets: tuple[DatasetView, ...], part: Part, unfinished: tuple[UploadView, ...], max_bytes: int
) -> DatasetsPage:
    return DatasetsPage(
        cards=tuple(dataset_card(dataset, CARD_THUMBNAILS) for dataset in datasets),
        part=part,
        unfinished=unfinished,
        busy=any(dataset.state == "inspecting" for dataset in datasets),
        max_bytes=max_bytes,
    )


def dataset_page(dataset: DatasetView, *, name: str | None = None, name_error: str = "") -> DatasetPage:
    description = dataset.description
    classes = () if description is None else class_bars(description)
    return DatasetPage(
        card=dataset_card(dataset),
        busy=dataset.state == "inspecting",
        classes=classes[:SHOWN_CLASSES],
        more_classes=classes[SHOWN_CLASSES:],
        name=dataset.name if name is None else name,
        name_error=name_error,
    )


def dataset_card(dataset: DatasetView, most_pictures: int = 24) -> DatasetCard:
    description = dataset.description
    notices = () if description is None else (*certainty_notice(dataset, description), *description.notices)
    return DatasetCard(
        dataset=dataset,
        chip=asset_chip(dataset.state, len(notices) + (1 if description is not None and description.unreadable else 0)),
        summary="" if description is None else plural(description.images, "image"),
        facts=() if description is None else facts(dataset, description),
        pictures=() if description is None else pictures(dataset.id, description)[:most_pictures],
        whole=description is not None and max(description.largest or (TINY_PX,)) <= TINY_PX,
        notices=notices,
    )


def facts(dataset: DatasetView, description: DatasetDescription) -> tuple[Fact, ...]:
    made = [Fact("Format", FORMATS[description.format])]
    made.append(Fact("Labels", labels_words(description)))
    if description.classes:
        made.append(Fact("Classes", classes_words(description)))
        if description.label_min is not None and not description.class_names:
            made.append(Fact("Smallest, largest label", f"{description.label_min}, {description.label_max}"))
    if description.smallest and description.largest:
        made.append(Fact("Image size", sizes_words(description.smallest, description.largest)))
    if dataset.certifiable_points is not None:
        made.append(Fact("Certifies drops from", f"about {points_value(dataset.certifiable_points)} points"))
    return tuple(made)


def labels_words(description: DatasetDescription) -> str:
    if description.labelled == 0:
        return "none: agreement with FP32 is measured"
    return f"{count(description.labelled)} of {plural(description.images, 'image')}"


def classes_words(description: DatasetDescription) -> str:
    """`10, 100 images each`, or how unequal they are."""
    counts = description.class_counts.values()
    fewest, most = min(counts, default=0), max(counts, default=0)
    classes = count(description.classes)
    if fewest == most:
        return f"{classes}, {plural(most, 'image')} each"
    return f"{classes}, {count(fewest)} to {plural(most, 'image')} each"


def sizes_words(smallest: tuple[int, int], largest: tuple[int, int]) -> str:
    if smallest == largest:
        return f"all {smallest[0]} × {smallest[1]} pixels"
    return f"{smallest[0]} × {smallest[1]} to {largest[0]} × {largest[1]} pixels"


def certainty_notice(dataset: DatasetView, description: DatasetDescription) -> tuple[Notice, ...]:
    """Effect first, then action: few images cannot certify a small drop."""
    certifiable = dataset.certifiable_points
    if certifiable is None or certifiable <= WEAK_POINTS:
        return ()
    needed = description.labelled * (certifiable / USUAL_LIMIT_POINTS) ** 2
    rounded = int(math.ceil(needed / 50) * 50)
    message = (
        f"{plural(description.labelled, 'labelled image')} cannot certify a small drop: "
        f"a difference below about {points_value(certifiable)} points is inside the noise."
    )
    hint = f"Read results as a rough check, or add images: for a limit of 1.0 point you need about {count(rounded)}."
    return (Notice("dataset.few_images", message, hint),)


def pictures(dataset_id: str, description: DatasetDescription) -> tuple[Picture, ...]:
    labels = description.thumbnail_labels or ("",) * len(description.thumbnails)
    return tuple(
        Picture(f"/datasets/{dataset_id}/thumbnails/{n}", label or f"Sample {n + 1}")
        for n, label in zip(description.thumbnails, labels, strict=True)
    )


def class_bars(description: DatasetDescription) -> tuple[ClassBar, ...]:
    most = max(description.class_counts.values(), default=1)
    return tuple(ClassBar(name, count(number), number / most) for name, number in description.class_counts.items())
