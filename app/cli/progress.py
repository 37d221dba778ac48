"""A progress bar on stderr, only when that is a terminal: one line per stage."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from app.jobs.events import Event


class StageProgress:
    """Told the events of a run; shows planned stages at once and each count as it comes. Silent without a terminal."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def on_event(self, event: Event) -> None:
        task = self._tasks.get(event.stage)
        if task is None:
            task = self._tasks[event.stage] = self._progress.add_task(event.stage, start=False, total=None)
        if event.kind == "started":
            self._progress.start_task(task)
        elif event.kind in ("progress", "log") and event.total:
            self._progress.update(task, completed=event.done, total=event.total)
        elif event.kind == "finished":
            known = self._progress.tasks[task].total
            self._progress.update(task, completed=known or 1, total=known or 1)
            self._progress.stop_task(task)
