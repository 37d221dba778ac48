"""Rewrite rule: hard-sigmoid and hard-swish, however they are spelled, become HardSigmoid (and Mul).

    hard_sigmoid(x) = clip(x / c + b / c, 0, 1)                     c = 6, b = 3 in MobileNetV3
    hard_swish(x)   = x hard_sigmoid(x)

    find     g = Clip(x + b, 0, c) and the factor k = 1/c, which stands
               behind g:                 g k                         -> HardSigmoid
               behind the product:       (x g) k                     -> x HardSigmoid
               in front of the product:  (x k) g                     -> x HardSigmoid
             where k is Mul by k or Div by c
    rewrite  HardSigmoid(x; alpha = k, beta = b k), Mul(x, .)

onnxruntime computes x HardSigmoid(x) inside the convolution in front of it; the spelled forms are up to four passes over the
tensor (centernet_mobilenetv3: 51 -> 42 ms, placement.md §5). The operator HardSwish is the same to it, but needs opset 14.
Left alone: a step that someone else reads, limits that do not begin at 0, factors other than 1/c.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import helper

from app.engine.graph.rewrites.editing import GraphEditor, is_standard

TOLERANCE = 2**-11
"""Of k c = 1: files keep 1/6 in float32 or float16 (0.16662598); either way 1/6 is meant."""


@dataclass(frozen=True)
class _Gate:
    """Clip(x + b, 0, c)."""

    x: str
    offset: float
    limit: float
    add: onnx.NodeProto
    clip: onnx.NodeProto


def fuse_hard_sigmoid(model: onnx.ModelProto) -> tuple[str, ...]:
    editor = GraphEditor(model)
    made: list[str] = []
    for node in list(editor.nodes):
        gate = _gate(editor, node)
        if gate is not None:
            made += _rewrite(editor, gate)
    editor.commit()
    return tuple(made)


def _gate(editor: GraphEditor, clip: onnx.NodeProto) -> _Gate | None:
    if not is_standard(clip, "Clip") or len(clip.input) != 3:
        return None
    low, limit = editor.scalar(clip.input[1]), editor.scalar(clip.input[2])
    add = editor.producer(clip.input[0])
    if low != 0.0 or limit is None or limit <= 0 or add is None or editor.only_reader(clip.input[0]) is not clip:
        return None
    x, offset = _scalar_operand(editor, add, "Add")
    return None if offset is None or not editor.is_float32(x) else _Gate(x, offset, limit, add, clip)


def _rewrite(editor: GraphEditor, gate: _Gate) -> list[str]:
    reader = editor.only_reader(gate.clip.output[0])
    if reader is None:
        return []
    if _divides(editor, reader, gate.clip.output[0], gate.limit):
        sigmoid = _hard_sigmoid(editor, gate, reader.output[0])
        editor.replace([gate.add, gate.clip, reader], [sigmoid])
        return [sigmoid.name]
    if not is_standard(reader, "Mul"):
        return []
    other = reader.input[1] if reader.input[0] == gate.clip.output[0] else reader.input[0]
    scaling = _scaling(editor, gate, reader, other)
    if scaling is None:
        return []
    result = scaling.output[0] if other == gate.x else reader.output[0]
    sigmoid = _hard_sigmoid(editor, gate, editor.unique(f"{gate.clip.output[0]}_hard_sigmoid"))
    name = editor.unique(f"{gate.clip.name}_hard_swish")
    product = helper.make_node("Mul", [gate.x, sigmoid.output[0]], [result], name=name)
    editor.replace([gate.add, gate.clip, reader, scaling], [sigmoid, product])
    return [sigmoid.name, product.name]


def _scaling(editor: GraphEditor, gate: _Gate, product: onnx.NodeProto, other: str) -> onnx.NodeProto | None:
    """The node that divides by c: behind `product`, which is x g when `other` is x, or in front of it, making `other`."""
    if other == gate.x:
        behind = editor.only_reader(product.output[0])
        return behind if behind is not None and _divides(editor, behind, product.output[0], gate.limit) else None
    before = editor.producer(other)
    if before is None or editor.only_reader(other) is not product:
        return None
    return before if _divides(editor, before, gate.x, gate.limit) else None


def _divides(editor: GraphEditor, node: onnx.NodeProto, value: str, limit: float) -> bool:
    """Whether the node is value * (1/limit) or value / limit."""
    if is_standard(node, "Div"):
        return node.input[0] == value and editor.scalar(node.input[1]) == limit
    operand, factor = _scalar_operand(editor, node, "Mul")
    return operand == value and factor is not None and abs(factor * limit - 1) <= TOLERANCE


def _scalar_operand(editor: GraphEditor, node: onnx.NodeProto, op_type: str) -> tuple[str, float | None]:
    """(value, constant) of a commutative node with one constant scalar that does not change the value's shape."""
    if is_standard(node, op_type):
        for value, constant in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
            factor = editor.scalar(constant)
            rank, own = editor.shape(value), editor.shape(constant)
            if factor is not None and editor.constant(value) is None and own is not None:
                fits = own == () or (rank is not None and len(own) <= len(rank))
                return (value, factor) if fits else ("", None)
    return "", None


def _hard_sigmoid(editor: GraphEditor, gate: _Gate, result: str) -> onnx.NodeProto:
    return helper.make_node(
        "HardSigmoid",
        [gate.x],
        [result],
        name=editor.unique(f"{gate.clip.name}_hard_sigmoid"),
        alpha=1 / gate.limit,
        beta=gate.offset / gate.limit,
    )
