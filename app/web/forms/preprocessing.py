"""The preprocessing fields of the new-project page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from app.engine.preprocessing.pipeline import Colour, Interpolation, Layout, Preprocessing, Resize
from app.engine.preprocessing.validation import MAX_SIDE, validate
from app.errors import WorkbenchError
from app.web.forms.fields import Mistake, WrongValueError, numbers, one_of, text_of, whole

LABELS = {
    "height": "Height",
    "width": "Width",
    "resize": "Resize",
    "shorter_side": "Shorter side",
    "interpolation": "Interpolation",
    "colour": "Colour order",
    "mean": "Subtract (mean)",
    "divide_by": "Divide by",
    "layout": "Layout",
    "label_offset": "Label offset",
}
LARGEST_OFFSET = 1000


@dataclass(frozen=True)
class PreprocessingForm:
    """Every value as text, as it was typed."""

    height: str = ""
    width: str = ""
    resize: str = "shorter-side"
    shorter_side: str = "256"
    interpolation: str = "bilinear"
    colour: str = "RGB"
    mean: str = "0, 0, 0"
    divide_by: str = "1, 1, 1"
    layout: str = "NCHW"
    label_offset: str = "0"

    @staticmethod
    def of(data: Mapping[str, object], usual: PreprocessingForm | None = None) -> PreprocessingForm:
        start = usual or PreprocessingForm()
        return PreprocessingForm(**{f.name: text_of(data, f.name, getattr(start, f.name)) for f in fields(PreprocessingForm)})

    @staticmethod
    def show(value: Preprocessing, label_offset: int) -> PreprocessingForm:
        """The form that reads back as this value."""
        return PreprocessingForm(
            height=str(value.height),
            width=str(value.width),
            resize=value.resize,
            shorter_side=str(value.shorter_side),
            interpolation=value.interpolation,
            colour=value.colour,
            mean=", ".join(f"{v!r}".removesuffix(".0") for v in value.mean),
            divide_by=", ".join(f"{v!r}".removesuffix(".0") for v in value.divide_by),
            layout=value.layout,
            label_offset=str(label_offset),
        )

    def read(self) -> tuple[Preprocessing | None, int, tuple[Mistake, ...]]:
        """Preprocessing (None with mistakes), label offset, mistakes."""
        mistakes: list[Mistake] = []

        def take(name: str, parse: Callable[[str], Any], usual: Any) -> Any:
            try:
                return parse(getattr(self, name))
            except WrongValueError as error:
                mistakes.append(Mistake(name, LABELS[name], str(error)))
                return usual

        def side(text: str) -> int:
            return whole(text, 1, MAX_SIDE, example="224")

        colour = take("colour", lambda text: one_of(text, get_args(Colour)), "RGB")
        channels = 1 if colour == "GRAY" else 3
        value = Preprocessing(
            height=take("height", side, 1),
            width=take("width", side, 1),
            resize=take("resize", lambda text: one_of(text, get_args(Resize)), "stretch"),
            shorter_side=take("shorter_side", side, 1),
            interpolation=take("interpolation", lambda text: one_of(text, get_args(Interpolation)), "bilinear"),
            colour=colour,
            mean=take("mean", lambda text: numbers(text, channels), (0.0,) * channels),
            divide_by=take("divide_by", lambda text: numbers(text, channels), (1.0,) * channels),
            layout=take("layout", lambda text: one_of(text, get_args(Layout)), "NCHW"),
        )
        offset = take("label_offset", lambda text: whole(text, -LARGEST_OFFSET, LARGEST_OFFSET, example="0"), 0)
        if not mistakes:
            mistakes += _refused(value)
        return (None if mistakes else value), offset, tuple(mistakes)


def _refused(value: Preprocessing) -> list[Mistake]:
    """What only the engine knows to be impossible."""
    try:
        validate(value)
    except WorkbenchError as error:
        return [Mistake(error.where, LABELS.get(error.where, error.where), error.message)]
    return []
