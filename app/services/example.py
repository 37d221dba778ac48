"""The example project that comes with the product."""

from __future__ import annotations

from app.services.context import Workbench
from app.services.views import ProjectView


def load_example(wb: Workbench, wait_seconds: float = 60) -> ProjectView:
    """The example project with its baseline started; the one that is there when it was loaded before.

    Waits for a worker to look into the two files (some seconds).

    Raises UnavailableError `example.no_worker` when none did in time.
    """
    raise NotImplementedError
