"""Listings as ImageNet's `val.txt`: one `file label` per line, the file found wherever the archive keeps it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.datasets.class_names import ClassNames
from app.engine.datasets.file_finder import FileFinder
from app.engine.datasets.members import showable
from app.engine.datasets.recognised import Recognised, count_notice, first_names, fit_class_names
from app.errors import WorkbenchError

MAX_LABEL = 100_000
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
LISTING_NAMES = ("val.txt", "validation.txt", "val_list.txt", "val_map.txt", "test.txt", "train.txt", "listing.txt", "list.txt")
"""In the order of choice."""
SEPARATORS = " \t,;"
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True)
class Line:
    number: int
    """From 1, as editors count."""
    file: str
    label: int


def is_image_name(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def looks_like_listing(text: str) -> bool:
    """Most lines begin with the name of an image and have something after it."""
    lines = _lines(text)
    matching = sum(is_image_name(_split(line)[0]) for _, line in lines)
    return matching > 0 and 2 * matching >= len(lines)


def read_listing(
    listings: Sequence[str], text: str, files: Sequence[str], images: Sequence[str], names: ClassNames
) -> Recognised:
    """
    Args:
        listings: Every text that is a listing; `text` is what stands in the first, the others are only mentioned.
        files: All that a line may mean.
        images: Those of them that are expected to have a line.

    Raises:
        WorkbenchError: `dataset.empty`, `dataset.bad_listing`, `dataset.label_out_of_range`.
    """
    chosen = listings[0]
    lines = parse_listing(text, chosen)
    samples, missing = _match(lines, FileFinder(files, chosen), chosen)
    if not samples:
        raise WorkbenchError(
            "dataset.empty",
            f"None of the {len(lines):,} images that the list names is there ({first_names(missing)}).",
            where=chosen,
            hint="Put the images and the list into one archive.",
        )
    extra = sorted(set(images).difference(samples))
    here = showable(chosen)
    class_names, named = fit_class_names(names.names, tuple(samples.values()))
    notices = (
        *count_notice(missing, "dataset.label_without_image", f"named in {here} but not there, and left out", "Add them."),
        *count_notice(extra, "dataset.image_without_label", f"not named in {here} and left out", "Add lines for them."),
        *count_notice(listings[1:], "dataset.other_listing", "a list of labels, too, and not used", "", noun="file"),
        *named,
    )
    return Recognised("imagenet-list", tuple(samples.items()), class_names, notices)


def _match(lines: Sequence[Line], finder: FileFinder, listing: str) -> tuple[dict[str, int], list[str]]:
    """Label of each file that was found, and the files that were not."""
    samples: dict[str, int] = {}
    missing = []
    for line in lines:
        name = finder.find(line.file)
        if name is None:
            missing.append(line.file)
        elif samples.setdefault(name, line.label) != line.label:
            raise _two_labels(name, samples[name], line.label, f"{listing}, line {line.number}")
    return samples, missing


def _two_labels(file: str, first: int, second: int, where: str) -> WorkbenchError:
    message = f"{showable(file)} has label {second} here, but {first} before."
    return WorkbenchError("dataset.bad_listing", message, where=where, hint="Give every image one label.")


def parse_listing(text: str, name: str) -> tuple[Line, ...]:
    """The lines, a repeated one once.

    Raises:
        WorkbenchError: `dataset.bad_listing`, `dataset.label_out_of_range`, naming the line.
    """
    found: dict[str, Line] = {}
    for number, line in _lines(text):
        entry = _parse_line(line, f"{name}, line {number}", number)
        known = found.setdefault(entry.file, entry)
        if known.label != entry.label:
            raise _two_labels(entry.file, known.label, entry.label, f"{name}, line {number}")
    if not found:
        raise WorkbenchError("dataset.bad_listing", "The list of labels has no lines.", where=name, hint=_HINT)
    return tuple(found.values())


_HINT = "Each line must be: file name, space, label as a whole number."


def _parse_line(line: str, where: str, number: int) -> Line:
    file, label = _split(line)
    if not file:
        raise WorkbenchError("dataset.bad_listing", f"The line has no label: {showable(line)}.", where=where, hint=_HINT)
    if not _INTEGER.fullmatch(label):
        message = f"A label must be a whole number, but this one is “{showable(label)}”."
        raise WorkbenchError("dataset.bad_listing", message, where=where, hint=_HINT)
    if len(label) > 12 or not 0 <= int(label) <= MAX_LABEL:
        raise WorkbenchError(
            "dataset.label_out_of_range",
            f"A label must be from 0 to {MAX_LABEL:,}, but this one is {showable(label)}.",
            where=where,
            hint="Labels are positions in the model's output, counted from 0.",
        )
    return Line(number, file, int(label))


def _lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines that say something."""
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _split(line: str) -> tuple[str, str]:
    """File and label, at the last blank, tab, comma or semicolon; "" for the file when there is none."""
    line = line.rstrip(SEPARATORS)
    cut = max(line.rfind(separator) for separator in SEPARATORS)
    return line[: cut + 1].rstrip(SEPARATORS).strip('"'), line[cut + 1 :].strip('"')
