"""The measuring lane: many at once or one alone; who wants to measure is not overtaken; waiting can be given up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.jobs import lane as module
from app.jobs.lane import MeasuringLane


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.005)


def patient() -> None:
    return


class Stage:
    """A stage in a thread of its own that stays in the lane until released."""

    def __init__(self, pool: ThreadPoolExecutor, lane: MeasuringLane, *, exclusive: bool) -> None:
        self.entered, self.waits, self._release = threading.Event(), threading.Event(), threading.Event()

        def stay() -> None:
            with lane.hold(exclusive=exclusive, give_up=patient, on_wait=self.waits.set):
                self.entered.set()
                assert self._release.wait(10)

        self._future = pool.submit(stay)

    def leave(self) -> None:
        self._release.set()
        self._future.result(10)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_ordinary_stages_share(pool: ThreadPoolExecutor) -> None:
    lane = MeasuringLane()
    stages = [Stage(pool, lane, exclusive=False) for _ in range(3)]
    assert all(stage.entered.wait(5) for stage in stages)
    for stage in stages:
        stage.leave()


def test_measuring_waits_for_the_others_and_keeps_new_ones_out(pool: ThreadPoolExecutor) -> None:
    lane = MeasuringLane()
    first = Stage(pool, lane, exclusive=False)
    assert first.entered.wait(5)
    measuring = Stage(pool, lane, exclusive=True)
    assert measuring.waits.wait(5)
    later = Stage(pool, lane, exclusive=False)
    assert later.waits.wait(5)  # does not overtake, though an ordinary stage is inside
    assert not measuring.entered.is_set()
    first.leave()
    assert measuring.entered.wait(5)
    assert not later.entered.is_set()
    measuring.leave()
    assert later.entered.wait(5)
    later.leave()


def test_waiting_can_be_given_up_and_harms_nobody(pool: ThreadPoolExecutor) -> None:
    lane = MeasuringLane()
    inside = Stage(pool, lane, exclusive=True)
    assert inside.entered.wait(5)

    def give_up() -> None:
        raise TimeoutError

    for exclusive in (True, False):
        with pytest.raises(TimeoutError), lane.hold(exclusive=exclusive, give_up=give_up):
            pytest.fail("must not enter")
    inside.leave()
    with lane.hold(exclusive=False, give_up=patient):
        pass
    with lane.hold(exclusive=True, give_up=patient):
        pass


def test_an_exception_inside_frees_the_lane() -> None:
    lane = MeasuringLane()
    with pytest.raises(ZeroDivisionError), lane.hold(exclusive=True, give_up=patient):
        raise ZeroDivisionError
    with lane.hold(exclusive=True, give_up=patient):
        pass
