"""The measuring lane: while a benchmark runs on this worker, nothing else does.

A lock with many holders or one exclusive holder. Who wants it exclusively goes before new ordinary holders, else a busy worker
would never measure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_S = 0.25


class MeasuringLane:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._measuring = False
        self._want_to_measure = 0

    @contextmanager
    def hold(
        self, *, exclusive: bool, give_up: Callable[[], None], on_wait: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """Enter the lane.

        Args:
            give_up: Called now and then while waiting; it raises when waiting makes no sense any more.
            on_wait: Called once if the lane is taken.
        """
        if exclusive:
            self._enter_alone(give_up, on_wait)
        else:
            self._enter_beside_others(give_up, on_wait)
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._measuring = False
                self._changed.notify_all()

    def _enter_alone(self, give_up: Callable[[], None], on_wait: Callable[[], None]) -> None:
        with self._changed:
            self._want_to_measure += 1
            try:
                self._wait_until(lambda: self._holders == 0, give_up, on_wait)
                self._holders, self._measuring = 1, True
            finally:
                self._want_to_measure -= 1
                self._changed.notify_all()

    def _enter_beside_others(self, give_up: Callable[[], None], on_wait: Callable[[], None]) -> None:
        with self._changed:
            self._wait_until(lambda: not self._measuring and not self._want_to_measure, give_up, on_wait)
            self._holders += 1

    def _wait_until(self, free: Callable[[], bool], give_up: Callable[[], None], on_wait: Callable[[], None]) -> None:
        """Called with the condition held; the two callbacks run without it, since they ask the database."""
        told = False
        while not free():
            self._changed.release()
            try:
                if not told:
                    on_wait()
                    told = True
                give_up()
            finally:
                self._changed.acquire()
            if not free():
                self._changed.wait(POLL_S)
