"""Which part of a long list an address asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.pages.parts import part_of


def test_short_list_is_shown_whole() -> None:
    part = part_of("/models", "", 20, 20, "model")
    assert (part.offset, part.here, part.text, part.newer, part.older) == (0, "/models", "", "", "")


def test_part_in_the_middle_has_both_neighbours() -> None:
    part = part_of("/", "2", 1200, 24, "project", search="a & b")
    assert part.text == "25 to 48 of 1,200 projects"
    assert part.newer == "/?search=a+%26+b"
    assert part.here == "/?search=a+%26+b&page=2"
    assert part.older == "/?search=a+%26+b&page=3"


@pytest.mark.parametrize("asked", ["", "0", "-1", "one", "1e3", "²", "٣", "9" * 5000, "1.5", " 2"])
def test_what_is_no_number_is_the_first_part(asked: str) -> None:
    assert part_of("/", asked, 100, 24, "project").offset == 0


def test_past_the_end_is_the_last_part() -> None:
    part = part_of("/", "99", 49, 24, "project")
    assert (part.text, part.older) == ("49 to 49 of 49 projects", "")


@given(st.integers(0, 500), st.integers(1, 60))
def test_following_the_links_shows_everything_once(total: int, size: int) -> None:
    shown: list[int] = []
    part = part_of("/", "", total, size, "project")
    while True:
        shown.extend(range(part.offset, min(part.offset + size, total)))
        if not part.older:
            break
        part = part_of("/", part.older.rpartition("=")[2], total, size, "project")
    assert shown == list(range(total))
