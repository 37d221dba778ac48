"""Long lists in parts: which part is shown, said in words, with links to the parts beside it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from app.web.filters import count, plural

MAX_DIGITS = 9


@dataclass(frozen=True)
class Part:
    """Rows `offset` to `offset + size` of a list, newest first."""

    offset: int
    size: int
    here: str
    """The address of this part."""
    text: str
    """`25 to 48 of 200 projects`; empty when the whole list is shown."""
    newer: str
    older: str
    """Addresses; empty at the ends."""


def part_of(path: str, asked: str, total: int, size: int, noun: str, **query: str) -> Part:
    """
    Args:
        asked: `page` of the query: 1, 2 …; anything else is the first part, a number past the end the last one.
        noun: One of what is listed.
        query: What else the address says; empty values are left out.
    """
    last = max(1, -(-total // size))
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= MAX_DIGITS else 1
    number = min(max(number, 1), last)
    offset = (number - 1) * size

    def address(wanted: int) -> str:
        kept = {**query, "page": str(wanted) if wanted > 1 else ""}
        given = urlencode({name: value for name, value in kept.items() if value})
        return f"{path}?{given}" if given else path

    return Part(
        offset=offset,
        size=size,
        here=address(number),
        text=f"{count(offset + 1)} to {count(min(offset + size, total))} of {plural(total, noun)}" if last > 1 else "",
        newer=address(number - 1) if number > 1 else "",
        older=address(number + 1) if number < last else "",
    )
