"""Operators without an integer kernel, as a few that have one (placement.md §5). Each is exact up to 8-bit rounding.

    Sub, Div by c            Add of -c, Mul by 1/c
    Relu                     LeakyRelu(alpha = 0): a table of 256 values
    Clip                     LeakyRelu(alpha = 1) when the grid of the output ends within the limits
    HardSigmoid(x; a, b)     Add(x, b/a) on the grid [0, 1/a], read with a times its scale: a clip(x + b/a, 0, 1/a)
    HardSwish(x)             Mul(x, HardSigmoid(x; 1/6, 1/2)), its definition
    Resize, nearest          Transpose, Gather, Gather, Transpose: copies pixels in channels-last layout (resampling.py)
    DepthToSpace, DCR        Transpose, Reshape, Transpose, Reshape, Transpose: the same in channels-last layout

    channel shuffle          Reshape, Transpose, Reshape with the channels last

The outer transposes cancel those that onnxruntime puts around QLinearConv.
HardSwish of 200 k values: 85 us so, 186 us as an operator between DequantizeLinear and QuantizeLinear. Channel shuffle of as
many: 80 us so, 680 us in channels-first layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.pointwise import TO_CHANNELS_FIRST, TO_CHANNELS_LAST
from app.engine.quantize.qdq_writer import QdqWriter
from app.engine.quantize.resampling import nearest_indices
from app.engine.quantize.support import GraphFacts, attributes_of, clip_limits

WITH_CONSTANT: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "Add": ("Add", np.positive),
    "Sub": ("Add", np.negative),
    "Mul": ("Mul", np.positive),
    "Div": ("Mul", np.reciprocal),
}


@dataclass(frozen=True)
class Operands:
    """What a composition may read."""

    inputs: list[str]
    """Names of the node's inputs, rounded where they have a grid."""
    output: str
    """The value to write, which is quantized next."""
    source: QParams | None
    """Grid of the first input."""
    target: QParams | None
    """Grid of the output."""
    rounded: Callable[[str], str | None]
    """Any value with the grid of the output -> the name of its rounded form; None for others."""
    facts: GraphFacts


Composition = Callable[[onnx.NodeProto, Operands, QdqWriter], "QParams | None"]


def compose(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> tuple[bool, QParams | None]:
    """(whether the node was written, the grid that its output must be *quantized* with when it is not that of the value)."""
    composition = COMPOSITIONS.get(node.op_type)
    if composition is None or operands.target is None:
        return False, None
    before = len(writer.nodes)
    quantizer = composition(node, operands, writer)
    return len(writer.nodes) > before, quantizer


def _binary(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    op_type, change = WITH_CONSTANT[node.op_type]
    inputs = list(operands.inputs)
    for position, name in enumerate(node.input):
        value = operands.facts.constant(name)
        if value is not None:
            inputs[position] = writer.rounded_constant(f"{node.name}_constant", np.asarray(change(value), np.float32))
            writer.node(op_type, inputs, operands.output, node.name)


def _concat(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    inputs = list(operands.inputs)
    for position, name in enumerate(node.input):
        value = operands.facts.constant(name)
        if value is not None:
            inputs[position] = writer.rounded_constant(f"{node.name}_constant_{position}", value)
    writer.node("Concat", inputs, operands.output, node.name, axis=attributes_of(node)["axis"])


def _rectifier(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    limits = clip_limits(node, operands.facts.constants)
    if limits is None or operands.target is None:
        return
    steps = np.array([0, 255]) - int(operands.target.zero_point)
    ends = steps * np.float64(operands.target.scale)
    if node.op_type == "Relu" or (ends[0] >= limits[0] and ends[1] <= limits[1] * (1 + 1e-6)):
        writer.node("LeakyRelu", operands.inputs[:1], operands.output, node.name, alpha=0.0 if limits[0] == 0 else 1.0)


def _hard_sigmoid(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> QParams | None:
    attributes = attributes_of(node)
    alpha, beta = (float(str(attributes.get(name, default))) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    grid = operands.target
    if grid is None or grid.zero_point != 0 or 255 * np.float64(grid.scale) > 1 + 1e-6:
        return None  # a grid that does not cut at 0 and 1: left to the operator itself
    offset = writer.rounded_constant(f"{node.name}_offset", np.asarray(beta / alpha, np.float32))
    writer.node("Add", [operands.inputs[0], offset], operands.output, node.name)
    return QParams(np.asarray(grid.scale / alpha, np.float32), grid.zero_point)


def _hard_swish(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    zero = np.asarray(0, np.uint8)
    offset = writer.rounded_constant(f"{node.name}_offset", np.asarray(3, np.float32))
    shifted = writer.node(
        "Add", [operands.inputs[0], offset], writer.fresh(f"{node.name}_shifted"), writer.fresh(f"{node.name}_shift")
    )
    gate = writer.round_trip(
        shifted,
        QParams(np.asarray(6 / 255, np.float32), zero),
        f"{node.name}_gate",
        QParams(np.asarray(1 / 255, np.float32), zero),
    )
    writer.node("Mul", [operands.inputs[0], gate], operands.output, node.name)


def _resize(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    indices = nearest_indices(node, operands.facts.shapes, operands.facts.constant)
    grid = operands.target
    if indices is None or grid is None or grid != operands.source:
        return
    rows, columns = (
        writer.constant(f"{node.name}_{name}", index) for name, index in zip(("rows", "columns"), indices, strict=True)
    )
    value = writer.moved("Transpose", operands.inputs[:1], f"{node.name}_last", grid, perm=TO_CHANNELS_LAST)
    value = writer.moved("Gather", [value, columns], f"{node.name}_wide", grid, axis=2)
    value = writer.moved("Gather", [value, rows], f"{node.name}_high", grid, axis=1)
    writer.node("Transpose", [value], operands.output, node.name, perm=TO_CHANNELS_FIRST)


def _depth_to_space(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    attributes = attributes_of(node)
    grid, shape = operands.target, operands.facts.shapes.get(node.input[0], ())
    if (
        grid is None
        or grid != operands.source
        or attributes.get("mode", b"DCR") != b"DCR"
        or len(shape) != 4
        or not all(shape[1:])
    ):
        return
    b = int(str(attributes["blocksize"]))
    _, c, h, w = shape
    inner, outer = (
        writer.constant(f"{node.name}_{name}", np.array(sizes, np.int64))
        for name, sizes in (("inner", [-1, h, w, b, b, c // b**2]), ("outer", [-1, h * b, w * b, c // b**2]))
    )
    value = writer.moved("Transpose", operands.inputs[:1], f"{node.name}_last", grid, perm=TO_CHANNELS_LAST)
    value = writer.moved("Reshape", [value, inner], f"{node.name}_blocks", grid)
    value = writer.moved("Transpose", [value], f"{node.name}_mixed", grid, perm=[0, 1, 3, 2, 4, 5])
    value = writer.moved("Reshape", [value, outer], f"{node.name}_space", grid)
    writer.node("Transpose", [value], operands.output, node.name, perm=TO_CHANNELS_FIRST)


def _shuffle(node: onnx.NodeProto, operands: Operands, writer: QdqWriter) -> None:
    """At the second Reshape of (N, C, H, W) -> (N, g, C/g, H, W) -> (N, C/g, g, H, W) -> (N, C, H, W)."""
    shapes, index, grid = operands.facts.shapes, operands.facts.index, operands.target
    transpose = index.producer(node.input[0])
    first = index.producer(transpose.input[0]) if transpose is not None and transpose.op_type == "Transpose" else None
    if grid is None or transpose is None or first is None or first.op_type != "Reshape":
        return
    before, split, after = (shapes.get(name, ()) for name in (first.input[0], first.output[0], node.output[0]))
    if len(before) != 4 or len(split) != 5 or before != after or split[3:] != before[2:] or not all((*before[1:], *split[1:])):
        return
    if attributes_of(transpose).get("perm") != [0, 2, 1, 3, 4] or operands.rounded(first.input[0]) is None:
        return
    _, c, h, w = before
    apart, together = (
        writer.constant(f"{node.name}_{name}", np.array(sizes, np.int64))
        for name, sizes in (("apart", [-1, h, w, *split[1:3]]), ("together", [-1, h, w, c]))
    )
    value = writer.moved(
        "Transpose", [operands.rounded(first.input[0]) or ""], f"{node.name}_last", grid, perm=TO_CHANNELS_LAST
    )
    value = writer.moved("Reshape", [value, apart], f"{node.name}_groups", grid)
    value = writer.moved("Transpose", [value], f"{node.name}_shuffled", grid, perm=[0, 1, 2, 4, 3])
    value = writer.moved("Reshape", [value, together], f"{node.name}_channels", grid)
    writer.node("Transpose", [value], operands.output, node.name, perm=TO_CHANNELS_FIRST)


COMPOSITIONS: Mapping[str, Composition] = {
    **dict.fromkeys(WITH_CONSTANT, _binary),
    **dict.fromkeys(("Relu", "Clip"), _rectifier),
    "Concat": _concat,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Reshape": _shuffle,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
}
