"""The description of a dataset from what recognition planned and what examining the images found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.engine.datasets.description import DatasetDescription, DatasetIndex, Sample, Unreadable
from app.engine.datasets.images import ImageFacts
from app.engine.datasets.members import showable
from app.engine.datasets.recognised import Recognised
from app.engine.graph.description import Notice
from app.errors import WorkbenchError

MAX_LISTED = 200
"""Unreadable files named one by one."""
MAX_CLASSES = 1_000

SPECIALS: tuple[tuple[str, str, str], ...] = (
    ("sixteen_bit", "have 16 bits per pixel: the upper 8 are used", "Convert them yourself if that loses too much."),
    ("transparent", "are partly transparent: colours are used as stored, as if opaque", "Flatten them if that matters."),
    ("animated", "are animated: the first frame is used", ""),
    ("rotated", "say by EXIF that they are turned: they are used as stored, as the usual evaluation scripts do", ""),
)


@dataclass
class Findings:
    """What examining the images found, in their order of arrival."""

    samples: dict[str, Sample] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Name -> reason."""
    specials: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample, facts: ImageFacts) -> None:
        self.samples[sample.name] = sample
        self.specials.update(name for name, _, _ in SPECIALS if getattr(facts, name))


def build_index(recognised: Recognised, findings: Findings, root: str) -> DatasetIndex:
    """Readable samples in the order of the dataset.

    Raises:
        WorkbenchError: `dataset.empty`.
    """
    samples = tuple(findings.samples[name] for name, _ in recognised.samples if name in findings.samples)
    if not samples:
        name, reason = next(iter(findings.unreadable.items()))
        raise WorkbenchError(
            "dataset.empty",
            f"None of the {len(findings.unreadable):,} images can be read; the first: {reason}.",
            where=showable(name),
            hint="Check that the files open in an image viewer, and pack them again.",
        )
    return DatasetIndex(samples, recognised.class_names, root)


def describe(
    recognised: Recognised, index: DatasetIndex, findings: Findings, sizes: Mapping[str, int], thumbnails: Sequence[int]
) -> DatasetDescription:
    """
    Args:
        sizes: Encoded bytes by name.
        thumbnails: Sample numbers that have a picture.
    """
    samples = index.samples
    labels = [sample.label for sample in samples if sample.label is not None]
    by_area = sorted((s.width * s.height, s.width, s.height) for s in samples)
    counts = Counter(labels)
    return DatasetDescription(
        format=recognised.format,
        images=len(samples),
        labelled=len(labels),
        classes=len(counts),
        label_min=min(labels, default=None),
        label_max=max(labels, default=None),
        class_names=index.class_names,
        class_counts=_class_counts(counts, index.class_names),
        size_bytes=sum(sizes[sample.name] for sample in samples),
        smallest=by_area[0][1:],
        largest=by_area[-1][1:],
        thumbnails=tuple(thumbnails),
        unreadable=tuple(Unreadable(showable(name), why) for name, why in list(findings.unreadable.items())[:MAX_LISTED]),
        notices=(*recognised.notices, *_notices(findings)),
        thumbnail_labels=tuple(_label_words(samples[number].label, index.class_names) for number in thumbnails),
    )


def _class_counts(counts: Counter[int], names: Sequence[str]) -> dict[str, int]:
    """Largest first, then by label; a name that two classes share gets its label behind it."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_CLASSES]
    words = {label: _label_words(label, names) for label, _ in ordered}
    uses = Counter(words.values())
    return {words[label] if uses[words[label]] == 1 else f"{words[label]} ({label})": count for label, count in ordered}


def _label_words(label: int | None, names: Sequence[str]) -> str:
    if label is None:
        return ""
    return names[label] if label < len(names) else str(label)


def _notices(findings: Findings) -> list[Notice]:
    notices = []
    for name, what, hint in SPECIALS:
        if count := findings.specials[name]:
            images = "image" if count == 1 else "images"
            notices.append(Notice(f"dataset.{name}", f"{count:,} {images} {_singular(what) if count == 1 else what}.", hint))
    if len(findings.unreadable) > MAX_LISTED:
        message = f"{len(findings.unreadable):,} files are not readable and left out; the first {MAX_LISTED} are named."
        notices.append(Notice("dataset.many_unreadable", message, "Check how the dataset was packed."))
    return notices


def _singular(what: str) -> str:
    """`are animated` -> `is animated`, of the first verb only."""
    verb, _, rest = what.partition(" ")
    return {"are": "is", "have": "has", "say": "says"}[verb] + " " + rest.replace("they are", "it is")
