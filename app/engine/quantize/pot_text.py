"""POT's configuration files as text: JSON with comments (`//`, `#`, `/* */`) and trailing commas.

Comments and trailing commas become spaces, so that the standard parser's line and column are those of the file. The file comes
from anywhere: its size, depth and numbers are bounded.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from app.errors import WorkbenchError

MAX_CHARS = 256 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 18
SHOWN_CHARS = 60
"""More of a wrong value is not repeated in its message."""
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)|[\[\]{}]|,(?=\s*[\]}])', re.DOTALL)
"""Strings (also those that are not closed, so that a text is read once), comments, brackets, trailing commas."""


def read_bytes(data: bytes) -> dict[str, Any]:
    """As `read_text`, of UTF-8."""
    if len(data) > MAX_CHARS:
        raise _too_large(len(data))
    try:
        return read_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"The POT file is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}."
        raise WorkbenchError("pot.json", message, where=f"byte {error.start}", hint=JSON_HINT) from error


JSON_HINT = "A POT file is JSON; comments and trailing commas are allowed."


def read_text(text: str) -> dict[str, Any]:
    """
    Raises:
        WorkbenchError: `pot.too_large`, `pot.json` with line and column, `pot.shape` when it is no object.
    """
    if len(text) > MAX_CHARS:
        raise _too_large(len(text))
    plain = _blank(_blank(text.removeprefix("\ufeff"), ("/", "#")), (",",))
    _check_depth(plain)
    try:
        data = json.loads(plain, object_pairs_hook=_unique, parse_constant=_no_number, parse_int=_whole, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise WorkbenchError(
            "pot.json", f"The POT file cannot be read as JSON: {error.msg}.", where=where, hint=JSON_HINT
        ) from error
    if not isinstance(data, dict):
        raise wrong_shape("", "an object with the key compression", data)
    return data


def shown(value: Any) -> str:
    """A value as it stands in the file, shortened; text that no encoding can write is escaped."""
    text = json.dumps(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


def wrong_shape(place: str, wanted: str, value: Any) -> WorkbenchError:
    """The error for a value of another kind; an empty place is the file itself."""
    message = f"{place or 'The file'} must be {wanted}, but is {shown(value)}."
    return WorkbenchError("pot.shape", message, where=place, hint="Compare the file with POT's specification.")


def _too_large(size: int) -> WorkbenchError:
    message = f"A POT file has at most {MAX_CHARS:,} characters, but this one has {size:,}."
    return WorkbenchError("pot.too_large", message, hint="Choose the configuration file, not the model or the dataset.")


def _blank(text: str, starts: tuple[str, ...]) -> str:
    """The text with the tokens that begin so replaced by spaces; lines stay where they are."""

    def replace(match: re.Match[str]) -> str:
        token = match.group()
        return re.sub(r"[^\n]", " ", token) if token.startswith(starts) else token

    return TOKEN.sub(replace, text)


def _check_depth(text: str) -> None:
    depth = 0
    for match in TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match.group(), 0)
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            message = f"The POT file nests objects and lists deeper than {MAX_DEPTH} levels."
            raise WorkbenchError("pot.json", message, where=f"line {line}, column {column}", hint=JSON_HINT)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            message = f"The POT file gives the key {shown(key)} twice in one object."
            raise WorkbenchError("pot.json", message, where=shown(key), hint="Keep the one that counts.")
        seen[key] = value
    return seen


def _no_number(text: str) -> NoReturn:
    raise WorkbenchError("pot.json", f"The POT file holds {text}, which is no number.", where=text, hint=JSON_HINT)


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise WorkbenchError(
            "pot.json", f"The POT file holds a number of {len(text)} digits.", where=f"{text[:20]}…", hint=JSON_HINT
        )
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise WorkbenchError(
            "pot.json", f"The POT file holds {text[:20]}, which is too large.", where=text[:20], hint=JSON_HINT
        )
    return value
