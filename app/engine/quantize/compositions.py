"""Operators without an integer kernel, as a few that have one (placement.md §5). Each is exact up to 8-bit rounding.

    Sub, Div by c            Add of -c, Mul by 1/c
    Relu                     LeakyRelu(alpha = 0): a table of 256 values
    Clip                     LeakyRelu(alpha = 1) when the grid of the output ends within the limits
    HardSigmoid(x; a, b)     Add(x, b/a) on the grid [0, 1/a], read with a times its scale: a clip(x + b/a, 0, 1/a)
    HardSwish(x)             Mul(x, HardSigmoid(x; 1/6, 1/2)), its definition
    Resize, nearest          Transpose, Gather, Gather, Transpose: copies pixels in channels-last layout (resampling.py)
    DepthToSpace, DCR        Transpose, Reshape, Transpose, Reshape, Transpose: the same in channels-last layout

The outer transposes cancel those that onnxruntime puts around QLinearConv.
HardSwish of 200 k values: 85 us so, 186 us as an operator between DequantizeLinear and QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.qdq_writer import QdqWriter
from app.engine.quantize.resampling import nearest_indices
from app.engine.quantize.support import GraphFacts, attributes_of, clip_limits

TO_CHANNELS_LAST, TO_CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
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
    shifted = writer.node("Add", [operands.inputs[0], offset], f"{node.name}_shifted", f"{node.name}_shift")
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
    value = _step("Transpose", operands.inputs[:1], "last", node, grid, writer, perm=TO_CHANNELS_LAST)
    value = _step("Gather", [value, columns], "wide", node, grid, writer, axis=2)
    value = _step("Gather", [value, rows], "high", node, grid, writer, axis=1)
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
    value = _step("Transpose", operands.inputs[:1], "last", node, grid, writer, perm=TO_CHANNELS_LAST)
    value = _step("Reshape", [value, inner], "blocks", node, grid, writer)
    value = _step("Transpose", [value], "mixed", node, grid, writer, perm=[0, 1, 3, 2, 4, 5])
    value = _step("Reshape", [value, outer], "space", node, grid, writer)
    writer.node("Transpose", [value], operands.output, node.name, perm=TO_CHANNELS_FIRST)


def _step(
    op_type: str, inputs: list[str], suffix: str, node: onnx.NodeProto, grid: QParams, writer: QdqWriter, **attributes: object
) -> str:
    """One node that moves values, on the same grid before and behind."""
    value = writer.node(op_type, inputs, f"{node.name}_{suffix}", f"{node.name}_{suffix}", **attributes)
    return writer.round_trip(value, grid, value)


COMPOSITIONS: Mapping[str, Composition] = {
    **dict.fromkeys(WITH_CONSTANT, _binary),
    **dict.fromkeys(("Relu", "Clip"), _rectifier),
    "Concat": _concat,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
}
