"""What the user asked for (`QuantizationSettings`) and everything that was decided (`Recipe`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from app.engine.calibration.range_estimators import get_range_estimator
from app.engine.graph.rewrites import AppliedRewrite
from app.errors import WorkbenchError

__all__ = ["AppliedRewrite", "KernelReport", "NoiseShare", "QuantizationSettings", "Recipe"]

Method = Literal["default", "accuracy-aware"]
Precision = Literal["int8", "int8-dynamic", "float16"]
Preset = Literal["performance", "mixed"]
DropType = Literal["absolute", "relative"]
Activations = Literal["auto", "symmetric", "asymmetric"]
Granularity = Literal["per-channel", "per-tensor"]
EffortLevel = Literal["fast", "default"]
AUTO_ESTIMATOR = "auto"
LARGEST_SEED = 2**32 - 1
MAX_PATTERNS, MAX_PATTERN_CHARS = 1000, 500


@dataclass(frozen=True)
class QuantizationSettings:
    method: Method = "default"
    precision: Precision = "int8"
    """int8: static, weights and activations; int8-dynamic: weights, activations at run time; float16: storage and kernels."""
    preset: Preset = "performance"
    """performance: what the runtime's integer kernels run fastest; mixed: noisy groups stay in float though that costs time."""
    max_drop: float = 1.0
    """Only for accuracy-aware. Percent: points of top-1 (absolute) or per cent of the FP32 top-1 (relative)."""
    drop_type: DropType = "absolute"
    subset_size: int = 300
    """Calibration samples; clamped to the dataset and said so."""
    seed: int = 0
    range_estimator: str = AUTO_ESTIMATOR
    """auto: per tensor, by the error that each range makes; else a name of `RANGE_ESTIMATORS` for all tensors."""
    activations: Activations = "auto"
    weight_granularity: Granularity = "per-channel"
    weight_bits: Literal[7, 8] = 8
    """7: no pair of products passes 16 bits, for CPUs that cut their sum off there (no VNNI)."""
    effort: EffortLevel = "default"
    """fast: ranges, correctness rules and bias correction alone."""
    rounding: bool = True
    """Weights rounded with the second moments of their input."""
    bias_correction: bool = True
    alignment: bool = True
    """Channels of neighbouring layers scaled against each other where that is exact."""
    speed_aware: bool = True
    """Nodes that are slower in INT8 on this device stay in float."""
    keep_float: tuple[str, ...] = ()
    """Node names, patterns (`block1/*`) or operator types that stay in float."""

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
        if self.method == "accuracy-aware" and self.precision != "int8":
            raise WorkbenchError(
                "settings.precision",
                f"AccuracyAware searches among static INT8 files, but the precision is {self.precision}.",
                where="precision",
                hint="Choose int8, or the method default.",
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            message = f"The seed must be a whole number from 0 to {LARGEST_SEED}, but is {self.seed}."
            raise WorkbenchError("settings.seed", message, where="seed", hint="0 is usual.")
        if self.range_estimator != AUTO_ESTIMATOR:
            get_range_estimator(self.range_estimator)
        _check_patterns(self.keep_float)


def _check_patterns(patterns: tuple[str, ...]) -> None:
    """Raises WorkbenchError `settings.keep_float`."""
    hint = "A pattern is a node name, one with * or ?, or an operator type."
    if len(patterns) > MAX_PATTERNS:
        message = f"At most {MAX_PATTERNS} patterns of nodes to keep in float are taken, but {len(patterns)} were given."
        raise WorkbenchError("settings.keep_float", message, where="keep_float", hint=hint)
    for pattern in patterns:
        if not (pattern.strip() and pattern.isprintable() and len(pattern) <= MAX_PATTERN_CHARS):
            message = f"A pattern of nodes to keep in float must be printable text, but one is {pattern[:40]!a}."
            raise WorkbenchError("settings.keep_float", message, where="keep_float", hint=hint)


@dataclass(frozen=True)
class NoiseShare:
    """How much of the output's noise one group makes when it is quantized alone."""

    node: str
    op_type: str
    share: float
    """Of the sum over all groups, 0..1."""
    action: str = ""
    """What was done about it, in words; "" for nothing."""


@dataclass(frozen=True)
class KernelReport:
    """Read from the runtime's own optimized graph of the delivered file."""

    integer_kernels: int
    """Of weighted operators (Conv, Gemm, MatMul)."""
    float_kernels: int
    conversions: int
    """QuantizeLinear and DequantizeLinear nodes that are left."""
    integer_multiply_adds: float | None
    """Share of multiply-adds in integer kernels, 0..1; None when shapes are not known."""
    surprises: tuple[str, ...] = ()
    """Where the runtime does something else than planned, in words."""


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
    rewrites: tuple[AppliedRewrite, ...] = ()
    noise: tuple[NoiseShare, ...] = ()
    """In falling order."""
    kernels: KernelReport | None = None
    details: dict[str, Any] = field(default_factory=dict)
