"""Sections of a POT file that know their place: every getter checks one value and names where it stands when it is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from app.engine.quantize.pot_text import shown, wrong_shape
from app.errors import WorkbenchError


class Section:
    """An object of the file; `null` counts as missing, as in POT.

    The getters raise WorkbenchError `pot.shape` for a value of another kind and `pot.value` for one out of range.
    """

    def __init__(self, data: dict[str, Any], path: str, notes: list[str]) -> None:
        self.data = {key: value for key, value in data.items() if value is not None}
        self.path = path
        self._notes = notes

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def place(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def note(self, key: str, text: str) -> None:
        self._notes.append(f"{self.place(key)}: {text}")

    def no_effect(self, reasons: Mapping[str, str]) -> None:
        """A note for each of these keys that is given."""
        for key, reason in reasons.items():
            if key in self:
                self.note(key, f"has no effect here, {reason}.")

    def check_known(self, known: Sequence[str]) -> None:
        """Raises WorkbenchError `pot.unknown`: a misspelt parameter must not be ignored (POT refuses them as well)."""
        for key in self.data:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                hint = f"Did you mean {close[0]}?" if close else "Remove it; the parameters are those of POT 2022.3."
                raise WorkbenchError(
                    "pot.unknown", f"POT has no parameter {shown(key)} here.", where=self._written(key), hint=hint
                )

    def section(self, key: str) -> Section:
        """Empty when it is missing."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise wrong_shape(self.place(key), "an object", value)
        return Section(value, self.place(key), self._notes)

    def sections(self, key: str) -> tuple[Section, ...]:
        values = self._list(key)
        for number, value in enumerate(values):
            if not isinstance(value, dict):
                raise wrong_shape(f"{self.place(key)}[{number}]", "an object", value)
        return tuple(Section(value, f"{self.place(key)}[{number}]", self._notes) for number, value in enumerate(values))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(_text(value, f"{self.place(key)}[{number}]") for number, value in enumerate(self._list(key)))

    def text(self, key: str) -> str:
        if key not in self:
            message = f"{self.place(key)} is missing."
            raise WorkbenchError("pot.shape", message, where=self.path, hint="Compare the file with POT's specification.")
        return _text(self.data[key], self.place(key))

    def one_of(self, key: str, choices: Sequence[str], usual: str) -> str:
        value = self.data.get(key, usual)
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"must be one of {', '.join(choices)}")
        return value

    def flag(self, key: str, usual: bool) -> bool:
        value = self.data.get(key, usual)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def number(self, key: str, low: float, high: float, usual: float, hint: str = "") -> float:
        value = self.data.get(key, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.refuse(key, f"must be a number from {low:g} to {high:g}", hint)
        return float(value)

    def whole(self, key: str, low: int, high: int, usual: int) -> int:
        value = self.data.get(key, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or not low <= value <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}")
        return int(value)

    def refuse(self, key: str, must: str, hint: str = "") -> NoReturn:
        message = f"{self.place(key)} {must}, but is {shown(self.data.get(key))}."
        raise WorkbenchError("pot.value", message, where=self.place(key), hint=hint or "Change it, or leave it out.")

    def _list(self, key: str) -> list[Any]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise wrong_shape(self.place(key), "a list", value)
        return value

    def _written(self, key: str) -> str:
        return self.place(key if key.isprintable() else shown(key))


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise wrong_shape(place, "a text", value)
    if not value.strip() or not value.isprintable():
        message = f"{place} must be a printable text, but is {shown(value)}."
        raise WorkbenchError("pot.value", message, where=place, hint="Change it, or leave it out.")
    return value
