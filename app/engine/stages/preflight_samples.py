"""Which samples a preflight shows to the model, and which label offsets the whole dataset allows."""

from __future__ import annotations

from dataclasses import replace

from app.engine.preprocessing.candidates import ImageInput
from app.engine.stages.samples import Samples, labels_of, spread
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.verdicts import labels_fit, require_labels_in_range
from app.errors import WorkbenchError

OFFSETS = (0, 1, -1)
"""Label = position; a background class in front; labels that count from 1."""


def possible_offsets(samples: Samples, task: ClassificationTask, wanted: int | None) -> tuple[int, ...]:
    """Label offsets under which every label of the whole dataset has a place in the scores."""
    labels = labels_of(samples, range(len(samples)))
    offsets = (wanted,) if wanted is not None else OFFSETS
    possible = tuple(offset for offset in offsets if labels_fit(labels, task.classes, offset))
    if not possible:
        names = [sample.name for sample in samples.index.samples]
        require_labels_in_range(labels, replace(task, label_offset=offsets[0]), names)
    if wanted is None and not (labels >= 0).any():
        background = len(samples.index.class_names) + 1 == task.classes
        return (1,) if background else (0,)
    return possible


def choose_numbers(samples: Samples, wanted: int) -> list[int]:
    """Evenly spread samples, labelled ones if there are any, in an order whose every beginning is spread as well.

    Raises:
        WorkbenchError: `dataset.empty`.
    """
    usable = [number for number in range(len(samples)) if samples[number].label is not None] or list(range(len(samples)))
    if not usable:
        raise WorkbenchError("dataset.empty", "A preflight needs at least 1 readable image, but the dataset has 0.")
    chosen = [usable[position] for position in spread(len(usable), max(1, wanted))]
    return [chosen[position] for position in sorted(range(len(chosen)), key=_reversed_bits)]


def _reversed_bits(number: int) -> str:
    """Sorting by this visits 0, 32, 16, 48, 8, …: van der Corput's sequence."""
    return f"{number:032b}"[::-1]


def all_have_size(samples: Samples, image: ImageInput) -> bool:
    """Whether every image of the dataset has the input's size already."""
    return all((sample.height, sample.width) == (image.height, image.width) for sample in samples.index.samples)
