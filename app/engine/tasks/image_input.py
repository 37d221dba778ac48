"""What a classifier demands and gives, found out by asking the runtime and running it once on zeros."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.engine.preprocessing.candidates import ImageInput
from app.engine.preprocessing.pipeline import Layout
from app.engine.runtimes.base import Session
from app.engine.tasks.classification import ClassificationTask, class_scores
from app.errors import WorkbenchError

IMAGE_CHANNELS = (3, 1)
LAYOUTS: tuple[Layout, ...] = ("NCHW", "NHWC")
AXES: dict[Layout, tuple[int, int, int]] = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}
"""Positions of channels, height and width."""


def find_image_input(session: Session, height: int | None = None, width: int | None = None) -> ImageInput:
    """Size, channels and layout of the only input; `height` and `width` fill what the model leaves open.

    Raises:
        WorkbenchError: `preflight.several_inputs`, `preflight.not_images`, `preflight.channels`, `preflight.size_needed`,
            `preflight.size_fixed`, and `runtime.run_failed` when an open layout cannot be found out by running.
    """
    if len(session.inputs) != 1:
        names = ", ".join(entry.name for entry in session.inputs)
        raise _refusal("several_inputs", f"A classifier of images needs exactly 1 input, but this model has {names or 'none'}.")
    (entry,) = session.inputs
    if len(entry.shape) != 4:
        raise _refusal(
            "not_images", f"An image input has 4 axes, but {entry.name} has {len(entry.shape)}: {entry.shape}.", entry.name
        )
    layout, channels = _find_layout(session, height, width)
    _, row, column = AXES[layout]
    return ImageInput(
        height=_side(entry.shape[row], height, "height"),
        width=_side(entry.shape[column], width, "width"),
        channels=channels,
        layout=layout,
        integer="int" in entry.dtype,
    )


def _find_layout(session: Session, height: int | None, width: int | None) -> tuple[Layout, int]:
    """(layout, channels) from the axis that has 3 or 1 entries; a model that fixes neither axis is tried."""
    shape = session.inputs[0].shape
    for layout in LAYOUTS:
        channels = shape[AXES[layout][0]]
        if isinstance(channels, int) and channels in IMAGE_CHANNELS:
            return layout, channels
    if isinstance(shape[1], int) and isinstance(shape[3], int):
        raise _refusal("channels", f"Images have 1 or 3 channels, but the input has the shape {shape}.", session.inputs[0].name)
    return _try_layouts(session, height, width)


def _try_layouts(session: Session, height: int | None, width: int | None) -> tuple[Layout, int]:
    entry, failure = session.inputs[0], None
    for channels in IMAGE_CHANNELS:
        for layout in LAYOUTS:
            _, row, column = AXES[layout]
            sides = _side(entry.shape[row], height, "height"), _side(entry.shape[column], width, "width")
            image = ImageInput(*sides, channels, layout)
            try:
                session.run({entry.name: blank(session, image)})
            except WorkbenchError as error:
                failure = error
            else:
                return layout, channels
    assert failure is not None
    raise failure


def _side(fixed: int | str | None, asked: int | None, name: Literal["height", "width"]) -> int:
    if isinstance(fixed, int):
        if asked not in (None, fixed):
            message = f"The model takes images of {name} {fixed} only, but {asked} was asked for."
            raise _refusal("size_fixed", message, name, hint=f"Leave the {name} empty.")
        return fixed
    if asked is None:
        message = f"The model takes images of any {name}, so the {name} must be given."
        raise _refusal("size_needed", message, name, hint="Give the size the model was trained with, often 224.")
    return asked


def blank(session: Session, image: ImageInput, n: int = 1) -> np.ndarray:
    """A valid input of zeros: `n` samples, or the model's fixed batch."""
    entry = session.inputs[0]
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else n
    sides = (image.height, image.width)
    shape = (image.channels, *sides) if image.layout == "NCHW" else (*sides, image.channels)
    return np.zeros((batch, *shape), entry.dtype)


def find_task(session: Session, image: ImageInput) -> ClassificationTask:
    """The first output that has one score per class.

    Raises:
        WorkbenchError: `task.not_scores` when no output has, `runtime.run_failed`.
    """
    x, refusal = blank(session, image), None
    outputs = session.run({session.inputs[0].name: x})
    for entry, values in zip(session.outputs, outputs, strict=True):
        try:
            classes = class_scores(np.asarray(values), len(x)).shape[1]
        except WorkbenchError as error:
            refusal = refusal or error
            continue
        if classes > 1:
            return ClassificationTask(entry.name, classes)
    raise refusal or WorkbenchError(
        "task.not_scores", "Classification needs at least 2 scores per image, but the model gives 1."
    )


def _refusal(
    code: str, message: str, where: str = "", *, hint: str = "Only classifiers of images are supported."
) -> WorkbenchError:
    return WorkbenchError(f"preflight.{code}", message, where=where, hint=hint)
