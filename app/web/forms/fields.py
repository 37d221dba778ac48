"""Text fields to numbers, with messages that say what to give and what was given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHOWN_CHARS = 24
"""More of a wrong value is not repeated in its message."""


@dataclass(frozen=True)
class Mistake:
    """One value that needs a change."""

    field: str
    """Name and id of the control."""
    label: str
    message: str
    code: str = ""
    """The code that the API gives for it."""


class WrongValueError(ValueError):
    """What to give instead; caught by the form and shown beside the field."""


def text_of(data: Mapping[str, object], name: str, usual: str) -> str:
    """The text of a field; uploads and missing fields count as the usual value."""
    value = data.get(name, usual)
    return value.strip() if isinstance(value, str) else usual


def shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


def number(text: str, low: float, high: float, *, example: str) -> float:
    """A decimal number in [low, high]; a comma is taken as the decimal point.

    Raises:
        WrongValueError: what to give, and what was given.
    """
    wanted = f"Give {low:g} to {high:g}."
    if not text:
        raise WrongValueError(f"{wanted} The field is empty; {example} is usual.")
    try:
        value = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        raise WrongValueError(f"{wanted} You gave “{shown(text)}”, which is not a number.") from None
    if not math.isfinite(value):
        raise WrongValueError(f"{wanted} You gave “{shown(text)}”, which is no amount; {example} is usual.")
    if value < low:
        sign = f"; it is written without a minus: {-value:g}" if low == 0 and -value <= high else ""
        raise WrongValueError(f"{wanted} You gave {_minus(value)}{sign}.")
    if value > high:
        raise WrongValueError(f"{wanted} You gave {_minus(value)}; {example} is usual.")
    return value


def whole(text: str, low: int, high: int, *, example: str) -> int:
    """A whole number in [low, high].

    Raises:
        WrongValueError: what to give, and what was given.
    """
    value = number(text, low, high, example=example)
    if value != int(value):
        raise WrongValueError(f"Give a whole number from {low} to {high}. You gave “{shown(text)}”.")
    return int(value)


def numbers(text: str, channels: int) -> tuple[float, ...]:
    """Values per channel, separated by commas or spaces; one value counts for every channel.

    Raises:
        WrongValueError: what to give, and what was given.
    """
    parts = text.replace(",", " ").replace(";", " ").split()
    count = f"{channels} numbers, one per channel" if channels > 1 else "one number"
    try:
        values = tuple(float(part.replace("−", "-")) for part in parts)
    except ValueError:
        raise WrongValueError(f"Give {count}, like {', '.join(['127.5'] * channels)}. You gave “{shown(text)}”.") from None
    if not all(map(math.isfinite, values)):
        raise WrongValueError(f"Give {count}; each must be finite. You gave “{shown(text)}”.")
    if len(values) == 1:
        values *= channels
    if len(values) != channels:
        raise WrongValueError(f"Give {count}. You gave {len(values)}: “{shown(text)}”.")
    return values


def one_of(text: str, choices: Sequence[str]) -> str:
    """
    Raises:
        WrongValueError: the choices there are.
    """
    if text not in choices:
        raise WrongValueError(f"Choose one of {', '.join(choices)}. There is no “{shown(text)}”.")
    return text


def _minus(value: float) -> str:
    return f"{value:g}".replace("-", "−")
