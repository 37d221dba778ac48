"""Ids sort by creation and never repeat, whatever the clock does."""

from __future__ import annotations

import uuid

import pytest

from app.storage import ids
from app.storage.ids import new_id


def test_ids_sort_by_creation_even_in_one_millisecond() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {uuid.UUID(made_id).version for made_id in made} == {7}


def test_ids_keep_their_order_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    assert before < new_id() < new_id()
