"""What was understood of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dimension = int | str | None
"""A fixed size, a named dynamic size, or an unnamed dynamic size."""


@dataclass(frozen=True)
class Notice:
    """Something the user should know that does not stop the work: effect first, then action."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class TensorInfo:
    name: str
    dtype: str
    """numpy name: float32, uint8, …"""
    shape: tuple[Dimension, ...]


@dataclass(frozen=True)
class ModelDescription:
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    opset: int
    ir_version: int
    producer: str
    parameters: int
    """Number of weights in initializers."""
    multiply_adds: int | None
    """Per sample at the declared (or asked) input size; None when shapes are unknown."""
    size_bytes: int
    """Of the stored single file, external data included."""
    weight_bytes: int
    operators: dict[str, int]
    """op_type -> count, most frequent first."""
    precision: Literal["float32", "float16", "int8", "mixed"]
    batch: int | None
    """Fixed batch, or None when dynamic."""
    layout: Literal["NCHW", "NHWC"] | None
    channels: int | None
    height: int | None
    """None when dynamic: the user is asked."""
    width: int | None
    classes: int | None
    """Size of the last axis of a two-dimensional score output, else None."""
    notices: tuple[Notice, ...] = ()
