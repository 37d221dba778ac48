"""Checks of what people type: names and file names."""

from __future__ import annotations

import unicodedata
from pathlib import PureWindowsPath

from app.errors import WorkbenchError

MAX_NAME_CHARACTERS = 200
MAX_FILENAME_BYTES = 255


def clean_name(name: str) -> str:
    """A name for a model, dataset or project: one line, trimmed, 1 to 200 characters.

    Raises:
        WorkbenchError: `name.invalid`.
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    hint = f"Give 1 to {MAX_NAME_CHARACTERS} characters."
    if not cleaned:
        raise WorkbenchError(
            "name.invalid", "A name needs at least one character, but this one is empty.", where="name", hint=hint
        )
    if len(cleaned) > MAX_NAME_CHARACTERS:
        message = f"A name has at most {MAX_NAME_CHARACTERS} characters, but this one has {len(cleaned)}."
        raise WorkbenchError("name.invalid", message, where="name", hint=hint)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in cleaned):
        raise WorkbenchError("name.invalid", "The name contains characters that cannot be shown.", where="name", hint=hint)
    return cleaned


def clean_filename(filename: str) -> str:
    """The last part of a client's file name, without any folder (both kinds of slash).

    Raises:
        WorkbenchError: `upload.filename`.
    """
    last = PureWindowsPath(unicodedata.normalize("NFC", filename)).name.strip()
    printable = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    if printable in ("", ".", ".."):
        message = f"A file needs a name, but {filename!r} has none."
        raise WorkbenchError("upload.filename", message, where="filename", hint="Rename the file and send it again.")
    if len(printable.encode()) > MAX_FILENAME_BYTES:
        message = f"A file name has at most {MAX_FILENAME_BYTES} bytes, but this one has {len(printable.encode())}."
        raise WorkbenchError("upload.filename", message, where="filename", hint="Give the file a shorter name.")
    return printable
