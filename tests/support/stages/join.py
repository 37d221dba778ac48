"""Reads the files that earlier stages wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.engine.stages.context import StageContext


@dataclass(frozen=True)
class Spec:
    parts: tuple[Path, ...]
    extra: Path | None


@dataclass(frozen=True)
class Result:
    joined: str


def run(spec: Spec, _context: StageContext) -> Result:
    assert spec.extra is None
    return Result("".join(part.read_text(encoding="utf-8") for part in spec.parts))
