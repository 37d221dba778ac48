"""What the user asked for (`QuantizationSettings`) and everything that was decided (`Recipe`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import WorkbenchError

Method = Literal["default", "accuracy-aware"]
Preset = Literal["performance", "mixed"]
DropType = Literal["absolute", "relative"]


@dataclass(frozen=True)
class QuantizationSettings:
    method: Method = "default"
    preset: Preset = "performance"
    """performance: symmetric activations; mixed: asymmetric activations. Weights are symmetric, per channel."""
    max_drop: float = 1.0
    """Only for accuracy-aware. Percent: points of top-1 (absolute) or per cent of the FP32 top-1 (relative)."""
    drop_type: DropType = "absolute"
    subset_size: int = 300
    """Calibration samples; clamped to the dataset and said so."""
    seed: int = 0
    range_estimator: str = "minmax"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_drop) and 0 <= self.max_drop <= 100):
            raise WorkbenchError(
                "settings.max_drop",
                f"The tolerated drop must be a number from 0 to 100, but is {self.max_drop}.",
                where="max_drop",
                hint="1.0 is a usual value; smaller ones leave less to speed up.",
            )
        if self.subset_size < 1:
            raise WorkbenchError(
                "settings.subset_size",
                f"Calibration needs at least 1 sample, but {self.subset_size} were asked for.",
                where="subset_size",
                hint="300 are usually enough.",
            )


@dataclass(frozen=True)
class Recipe:
    """Original + recipe + version -> the same bytes."""

    product_version: str
    settings: QuantizationSettings
    model_sha256: str
    calibration_samples: tuple[int, ...]
    """Sample numbers in the dataset, in the order seen."""
    quantized_nodes: tuple[str, ...]
    kept_in_float: dict[str, str]
    """Node name -> reason."""
    versions: dict[str, str]
    """Package -> version, of what wrote the file."""
    details: dict[str, Any] = field(default_factory=dict)
