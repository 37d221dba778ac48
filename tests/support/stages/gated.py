"""A stage that says when it began and ends when the test opens its gate."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from app.engine.stages.context import Progress, StageContext


@dataclass(frozen=True)
class Spec:
    number: int
    gates: str
    """Folder of the test: `starts` gets a line per start; `open-<number>` lets the stage end."""
    seconds: float = 0.0
    """What it then still takes."""


@dataclass(frozen=True)
class Result:
    number: int
    pid: int
    number_file: str = "number.txt"


def run(spec: Spec, context: StageContext) -> Result:
    gates = Path(spec.gates)
    with (gates / "starts").open("a", encoding="ascii") as starts:
        starts.write(f"{spec.number} {os.getpid()}\n")
    context.report(Progress(0, 1, f"stage {spec.number} waits"))
    while not (gates / f"open-{spec.number}").exists():
        time.sleep(0.01)
    time.sleep(spec.seconds)
    (context.folder / "number.txt").write_text(str(spec.number), encoding="ascii")
    return Result(spec.number, os.getpid())
