"""What a result means, in words (mock/GUIDE.md §4). Pure: the same facts, the same words everywhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Saying:
    """The sentence a page opens with, and one line below it (may be empty)."""

    sentence: str
    detail: str = ""
