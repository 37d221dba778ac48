"""How a pipeline runs its stages, without knowing whether a database or only a folder stands behind it.

The worker's executor makes each stage a durable step and keeps its files as blobs; the CLI's executor uses a
temporary folder. Both run the stage in a child process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from app.engine.records import from_json

T = TypeVar("T")


@dataclass(frozen=True)
class Artifact:
    """A file that never changes, with its content hash (empty for a local file that nobody needs to look up)."""

    path: Path
    sha256: str = ""


@dataclass(frozen=True)
class StageOutcome:
    result: dict[str, Any]
    """The stage's `Result` as JSON."""
    files: Mapping[str, Artifact] = field(default_factory=dict)
    """Every file the result names, by its name."""
    seconds: float = 0.0
    """Wall clock of the run that computed it, also when this came from the memo."""
    peak_memory_mb: float = 0.0

    def load(self, cls: type[T]) -> T:
        return from_json(cls, self.result)


class StageExecutor(Protocol):
    def plan(self, labels: Sequence[str]) -> None:
        """Announce the stages to come, in order, so that a page can show what is done and what is left."""

    def run(
        self,
        stage: str,
        *,
        files: Mapping[str, Artifact | Sequence[Artifact] | None],
        params: Mapping[str, Any],
        label: str = "",
        exclusive: bool = False,
        memo: bool = True,
        wall_seconds: float = 0,
    ) -> StageOutcome:
        """Run `app.engine.stages.<stage>` with `files` (path fields of its Spec) and `params` (its other fields).

        Args:
            label: What people read: "Trial 3"; also tells repeated stages apart. Default: the stage's name.
            exclusive: Take the worker's measuring lane: nothing else runs here meanwhile.
            memo: The result is a pure function of its inputs and may come from an earlier run. False for measurements.
            wall_seconds: Kill the child after this time; 0: no limit.

        Raises:
            WorkbenchError: what the stage refused; `stage.crashed`, `stage.memory`, `stage.timeout`; `run.cancelled`.
        """
        ...
