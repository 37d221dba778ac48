"""Running a stage's `run` in this process, as the child does."""

from __future__ import annotations

from pathlib import Path

from app.engine.stages.context import Progress, StageContext


def stage_context(folder: Path, threads: int = 2) -> tuple[StageContext, list[Progress]]:
    """A context that keeps what the stage reports."""
    folder.mkdir(parents=True, exist_ok=True)
    reported: list[Progress] = []
    return StageContext(folder, reported.append, threads), reported
