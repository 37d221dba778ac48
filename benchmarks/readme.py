"""The measured part of a benchmark's README: between two marks, written by the script beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.engine.runtimes.device import read_device

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def write_measured(readme: Path, text: str) -> None:
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown; the first column is text, the others are numbers."""
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (heads, rule, *rows))


def describe_machine() -> str:
    device = read_device()
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {device.cpu}, {device.cores} cores, {device.system}, load average {os.getloadavg()[0]:.1f} before"
