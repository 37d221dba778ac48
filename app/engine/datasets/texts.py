"""Text files of any origin."""

from __future__ import annotations

import codecs


def as_text(data: bytes) -> str:
    """UTF-8, or UTF-16 as Windows writes it with a mark in front; else any 8-bit code, which keeps ASCII what it is.

    Old line ends become "\\n".
    """
    return _decoded(data).replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
