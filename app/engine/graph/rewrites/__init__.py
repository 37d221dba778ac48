"""Rewrites of a prepared float graph: the same function in operators that the runtime computes faster, or in integers.

Each rule says what it finds, what it makes of it, and when it leaves things alone; each edits the model in place and returns
the names of the nodes it made or changed. Assumed: opset 13 or newer, constants in initializers, unique node names, topological
order, inferred types (`quantize/preparation.py`).

What onnxruntime's own "basic" level does before is not repeated here: zero Pad into Conv; BatchNormalization, Mul and Add
behind a Conv; Identity and Dropout; HardSwish taken apart; MatMul and Add into Gemm (held by a test of the preparation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from app.engine.graph.rewrites.affine import fold_affine_before, fold_affine_behind
from app.engine.graph.rewrites.hard_sigmoid import fuse_hard_sigmoid
from app.engine.graph.rewrites.normalization import convolve_normalizations
from app.engine.graph.rewrites.piecewise import merge_limits, uniform_slopes
from app.engine.graph.rewrites.pixels import PixelGrid, PixelScale, center_pixels, pixel_grid
from app.engine.graph.rewrites.pooling import convolve_averages, globalize_averages
from app.engine.graph.types import infer_types

__all__ = [
    "EXACT",
    "AppliedRewrite",
    "PixelGrid",
    "PixelScale",
    "Rewrite",
    "apply_rewrites",
    "for_integers",
    "pixel_grid",
]


@dataclass(frozen=True)
class AppliedRewrite:
    """A rewrite of the float graph that was made."""

    name: str
    nodes: tuple[str, ...]
    exact: bool = True
    """The same function up to float rounding; the FP32 file that INT8 is compared with has these, too."""


@dataclass(frozen=True)
class Rewrite:
    name: str
    apply: Callable[[onnx.ModelProto], tuple[str, ...]]
    exact: bool = True


EXACT = (
    Rewrite("limits as one Clip or Relu", merge_limits),
    Rewrite("PRelu of one slope as LeakyRelu", uniform_slopes),
    Rewrite("hard-swish and hard-sigmoid fused", fuse_hard_sigmoid),
    Rewrite("means over space as GlobalAveragePool", globalize_averages),
    Rewrite("AveragePool as depthwise Conv", convolve_averages),
    Rewrite("constants behind a layer folded into it", fold_affine_behind),
    Rewrite("constants in front of a layer folded into it", fold_affine_before),
    Rewrite("BatchNormalization as depthwise Conv", convolve_normalizations),
)


def for_integers(pixels: PixelScale | None) -> tuple[Rewrite, ...]:
    """Those that only the graph to be quantized gets.

    Args:
        pixels: What the graph's input is made of; None when it is no 8-bit image or channels are scaled differently.
    """
    if pixels is None:
        return ()
    return (Rewrite("pixels centered on an integer", lambda model: center_pixels(model, pixels), exact=False),)


def apply_rewrites(model: onnx.ModelProto, rewrites: Sequence[Rewrite] = EXACT) -> tuple[AppliedRewrite, ...]:
    """Edit `model` in place, one rule after the other.

    Returns:
        The rules that found something, with the nodes that are still there after the others.
    """
    found = []
    for rewrite in rewrites:
        nodes = rewrite.apply(model)
        if nodes:
            infer_types(model)
            found.append((rewrite, nodes))
    present = {node.name for node in model.graph.node}
    return tuple(
        AppliedRewrite(rewrite.name, tuple(name for name in nodes if name in present), rewrite.exact)
        for rewrite, nodes in found
    )
