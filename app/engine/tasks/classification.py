"""Image classification: raw scores -> predictions, top-k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassificationTask:
    output: str
    """Name of the output with the scores, (batch, classes) after dropping axes of length 1."""
    classes: int
    label_offset: int = 0
    """Position of a label in the scores = label + label_offset (1 for networks with a background class)."""
    kind: Literal["classification"] = "classification"
