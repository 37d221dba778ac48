"""Stages, percent and time left from events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.jobs.pipelines import CALIBRATE, COMPARE, GRID, PAIRED, PREPARE, QUANTIZE, RANK, REFERENCE, SEARCH
from app.services.mapping.progress import percent, seconds_left, stage_views
from app.services.views import RunState, StageView
from app.storage.tables import StageEvent

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
AWARE = (PREPARE, REFERENCE, CALIBRATE, QUANTIZE, COMPARE, RANK, SEARCH, GRID, PAIRED)
TEN_SECONDS = dict.fromkeys(AWARE, (8.0, 12.0))


def events(*steps: tuple[str, str, int, int], planned: Sequence[str] = AWARE) -> list[StageEvent]:
    """(stage, kind, done, total), ten seconds apart."""
    rows = [
        StageEvent(id=n, stage=label, kind="planned", done=0, total=0, message="", at=START) for n, label in enumerate(planned)
    ]
    for number, (stage, kind, done, total) in enumerate(steps):
        at = START + timedelta(seconds=10 * number)
        rows.append(StageEvent(id=len(rows), stage=stage, kind=kind, done=done, total=total, message="", at=at))
    return rows


def look(rows: list[StageEvent], state: RunState = "running", after: float = 0) -> tuple[StageView, ...]:
    return stage_views(rows, state, rows[-1].at + timedelta(seconds=after))


def states(views: Sequence[StageView]) -> dict[str, str]:
    return {view.label: view.state for view in views}


def test_planned_stages_wait_in_order() -> None:
    views = look(events())
    assert [view.label for view in views] == list(AWARE)
    assert set(states(views).values()) == {"todo"}
    assert percent(views, TEN_SECONDS, "running") == 0
    assert seconds_left(views, TEN_SECONDS) is None


def test_the_current_stage_counts() -> None:
    rows = events(
        (PREPARE, "started", 0, 0), (PREPARE, "finished", 0, 0), (REFERENCE, "started", 0, 0), (REFERENCE, "progress", 125, 500)
    )
    views = look(rows)
    assert states(views)[PREPARE] == "done"
    now = views[1]
    assert (now.state, now.done, now.total, now.message, now.seconds) == ("now", 125, 500, "125 of 500", 10.0)
    assert views[0].seconds == 10.0
    assert percent(views, TEN_SECONDS, "running") == int(100 * 1.25 / 9)
    low, high = seconds_left(views, TEN_SECONDS) or (0, 0)
    # A quarter took 10 s, so 30 s remain of this stage (±), and seven more take 8 to 12 s each.
    assert low == pytest.approx(0.8 * 30 + 7 * 8)
    assert high == pytest.approx(1.3 * 30 + 7 * 12)


def test_a_trial_belongs_to_the_search() -> None:
    rows = events(
        (COMPARE, "finished", 0, 0),
        (SEARCH, "started", 0, 0),
        (SEARCH, "finished", 0, 0),
        ("Trial 2", "started", 0, 0),
        ("Trial 2", "progress", 318, 500),
    )
    views = look(rows)
    search = next(view for view in views if view.label == SEARCH)
    assert (search.state, search.message) == ("now", "Trial 2: 318 of 500")
    assert [view.label for view in views] == list(AWARE)
    rows += [StageEvent(id=99, stage="Trial 2", kind="finished", done=0, total=0, message="", at=rows[-1].at)]
    assert states(look(rows))[SEARCH] == "now"


def test_a_search_that_was_not_needed_is_done() -> None:
    rows = events((COMPARE, "started", 0, 0), (COMPARE, "finished", 0, 0), (GRID, "started", 0, 0))
    views = {view.label: view for view in look(rows)}
    assert (views[RANK].state, views[RANK].message, views[RANK].seconds) == ("done", "Not needed", None)
    assert (views[GRID].state, views[PAIRED].state) == ("now", "todo")


def test_looking_back_for_the_chosen_file_does_not_turn_the_clock_back() -> None:
    """After the search the pipeline asks for the chosen file once more, under the labels of the first trial."""
    rows = events(
        (SEARCH, "started", 0, 0), ("Trial 4", "finished", 0, 0), (QUANTIZE, "started", 0, 0), (QUANTIZE, "finished", 0, 0)
    )
    views = look(rows)
    assert states(views)[QUANTIZE] == "done"
    assert states(views)[SEARCH] == "now"


@pytest.mark.parametrize(("state", "last"), [("failed", "failed"), ("cancelled", "failed"), ("succeeded", "done")])
def test_the_end_of_a_run_ends_its_stages(state: RunState, last: str) -> None:
    views = look(events((PREPARE, "started", 0, 0), (PREPARE, "progress", 3, 10)), state)
    assert views[0].state == last
    assert percent(views, TEN_SECONDS, state) == (100 if state == "succeeded" else 3)


def test_a_repeated_attempt_counts_anew() -> None:
    rows = events((PREPARE, "started", 0, 0), (PREPARE, "progress", 9, 10), (PREPARE, "started", 0, 0))
    view = look(rows)[0]
    assert (view.state, view.done, view.total) == ("now", 0, 0)
    rows = events((PREPARE, "started", 0, 0), (PREPARE, "started", 0, 0), (PREPARE, "progress", 2, 10))
    assert look(rows)[0].done == 2


def test_notices_of_the_plan_are_no_stage() -> None:
    rows = events(("Plan", "log", 0, 0))
    assert [view.label for view in look(rows)] == list(AWARE)
    assert set(states(look(rows)).values()) == {"todo"}


def test_a_run_without_a_plan_shows_the_stages_it_begins() -> None:
    rows = events(("Look into the model", "started", 0, 0), ("Look into the model", "progress", 1, 3), planned=())
    (view,) = look(rows)
    assert (view.label, view.state, view.done, view.total) == ("Look into the model", "now", 1, 3)
    assert percent(look(rows), {}, "running") == 33
    assert seconds_left(look(rows), {}) is None


steps = st.lists(
    st.tuples(
        st.sampled_from([*AWARE, "Trial 2", "Plan"]),
        st.sampled_from(["started", "progress", "log", "finished", "failed"]),
        st.integers(0, 500),
        st.integers(0, 500),
    ),
    max_size=30,
)


@given(steps, st.sampled_from(["queued", "running", "succeeded", "failed", "cancelled"]))
@example([("Prepare samples", "started", 0, 0), ("Prepare samples", "progress", 2, 1)], "running")
def test_whatever_happened_there_is_something_to_show(made: Any, state: Any) -> None:
    views = stage_views(events(*made), state, START + timedelta(hours=1))
    assert [view.label for view in views][: len(AWARE)] == list(AWARE)
    value = percent(views, TEN_SECONDS, state)
    assert 0 <= value <= 100
    assert (value == 100) == (state == "succeeded")
    left = seconds_left(views, TEN_SECONDS)
    assert left is None or 0 <= left[0] <= left[1]
    order = [view.state for view in views]
    assert "done" not in order[order.index("todo") :] if "todo" in order else True
