"""Is a preprocessing possible at all, and does it fit the model? Values come from forms, JSON files and presets."""

from __future__ import annotations

import math

from app.engine.preprocessing.pipeline import Preprocessing
from app.errors import WorkbenchError

MAX_SIDE = 8192
"""Pixels. No image network is larger, and a typing error must not ask for gigabytes."""


def validate(
    p: Preprocessing,
    *,
    channels: int | None = None,
    height: int | None = None,
    width: int | None = None,
    layout: str | None = None,
) -> None:
    """Refuse impossible values; the keyword arguments are the model's, None where it leaves them open.

    Raises:
        WorkbenchError: `preprocessing.size`, `.shorter_side`, `.channels`, `.not_finite`, `.divide_by_zero`, `.does_not_fit`.
    """
    for name, side in (("height", p.height), ("width", p.width)):
        if not 1 <= side <= MAX_SIDE:
            raise _refusal("size", name, f"The {name} must be a number from 1 to {MAX_SIDE}, but is {side}.")
    if not 1 <= p.shorter_side <= MAX_SIDE:
        raise _refusal(
            "shorter_side", "shorter_side", f"The shorter side must be from 1 to {MAX_SIDE}, but is {p.shorter_side}."
        )
    _validate_values(p, "mean", p.mean)
    _validate_values(p, "divide_by", p.divide_by)
    if 0 in p.divide_by:
        raise _refusal("divide_by_zero", "divide_by", f"No channel can be divided by 0, but divide by is {_list(p.divide_by)}.")
    asked = {"channels": p.channels, "height": p.height, "width": p.width, "layout": p.layout}
    for name, wanted in {"channels": channels, "height": height, "width": width, "layout": layout}.items():
        if wanted is not None and wanted != asked[name]:
            message = f"The model takes {name} {wanted}, but the preprocessing gives {asked[name]}."
            raise _refusal("does_not_fit", "colour" if name == "channels" else name, message)


def _validate_values(p: Preprocessing, name: str, values: tuple[float, ...]) -> None:
    said = name.replace("_", " ")
    if len(values) != p.channels:
        message = f"{p.colour} needs {p.channels} value(s) of {said}, but there are {len(values)}: {_list(values)}."
        raise _refusal("channels", name, message)
    if not all(math.isfinite(value) for value in values):
        raise _refusal("not_finite", name, f"Every value of {said} must be a number, but they are {_list(values)}.")


def _list(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _refusal(code: str, where: str, message: str) -> WorkbenchError:
    return WorkbenchError(f"preprocessing.{code}", message, where=where, hint="Change the value, or start from a preset.")
