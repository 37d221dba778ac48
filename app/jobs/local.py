"""Stages without a database: what the CLI uses. Files stay in a folder, events go to a callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.engine.stages.context import Progress
from app.errors import WorkbenchError
from app.jobs.child import STAGES, Limits, run_child
from app.jobs.events import Event, EventKind
from app.jobs.executor import Artifact, StageExecutor, StageOutcome
from app.jobs.stagefiles import build_spec, find_files, memo_key
from app.settings import Settings


class LocalExecutor(StageExecutor):
    """Runs each stage in a child, in `folder/<n>-<stage>`; a repeated computation is a look-up.

    Args:
        on_event: Told what happens, in the calling thread.
        should_stop: Asked ten times a second; yes ends the run with `run.cancelled`.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        on_event: Callable[[Event], None] = lambda _event: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        package: str = STAGES,
    ) -> None:
        self._folder, self._settings, self._on_event = folder, settings, on_event
        self._should_stop, self._package = should_stop, package
        self._memo: dict[str, StageOutcome] = {}
        self._started = 0

    def plan(self, labels: Sequence[str]) -> None:
        for label in labels:
            self._on_event(Event("planned", label))

    def run(
        self,
        stage: str,
        *,
        files: Mapping[str, Artifact | Sequence[Artifact] | None],
        params: Mapping[str, Any],
        label: str = "",
        exclusive: bool = False,  # noqa: ARG002 - nothing else runs here
        memo: bool = True,
        wall_seconds: float = 0,
    ) -> StageOutcome:
        label = label or stage
        key = memo_key(stage, files, params)
        self._on_event(Event("started", label))
        if memo and key in self._memo:
            self._on_event(Event("finished", label))
            return self._memo[key]
        try:
            outcome = self._compute(stage, build_spec(files, params), label, wall_seconds)
        except WorkbenchError as error:
            self._on_event(Event("failed", label, message=error.message))
            raise
        self._memo[key] = outcome
        self._on_event(Event("finished", label))
        return outcome

    def _compute(self, stage: str, spec: Mapping[str, Any], label: str, wall_seconds: float) -> StageOutcome:
        self._started += 1
        folder = self._folder / f"{self._started}-{stage}"
        folder.mkdir(parents=True)

        def on_progress(progress: Progress) -> None:
            kind: EventKind = "log" if progress.message else "progress"
            self._on_event(Event(kind, label, progress.done, progress.total, progress.message))

        child = run_child(
            stage,
            spec,
            folder,
            limits=stage_limits(self._settings, wall_seconds),
            on_progress=on_progress,
            should_stop=self._should_stop,
            package=self._package,
        )
        artifacts = {name: Artifact(path) for name, path in find_files(child.result, folder).items()}
        return StageOutcome(child.result, artifacts, child.seconds, child.peak_memory_mb)


def stage_limits(settings: Settings, wall_seconds: float) -> Limits:
    return Limits(settings.stage_memory_bytes, settings.stage_cpu_seconds, wall_seconds, settings.usable_cores)
