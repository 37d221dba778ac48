"""Multiply-adds of one sample, from the shapes of values.

    Conv            prod(output) * C_in/groups * prod(kernel)
    ConvTranspose   prod(input)  * C_out/groups * prod(kernel)
    Gemm, MatMul    prod(output) * K

Other operators are not counted, as usual in the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx

COUNTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def node_multiply_adds(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> int | None:
    """Of one node; None when a shape it needs is not known, 0 for operators that are not counted."""
    if node.op_type not in COUNTED:
        return 0
    inputs = [shapes.get(name) for name in node.input[:2]]
    output = shapes.get(node.output[0])
    if output is None or any(shape is None for shape in inputs):
        return None
    data, weight = (list(shape) for shape in inputs if shape is not None)
    if node.op_type == "Conv":
        return math.prod(output) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(data) * math.prod(weight[1:])
    inner = data[0] if any(a.name == "transA" and a.i for a in node.attribute) else data[-1]
    return math.prod(output) * inner


def known_shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Value name -> shape, of constants and of values whose every axis is known."""
    shapes: dict[str, list[int]] = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if sizes and all(size > 0 for size in sizes):
            shapes.setdefault(value.name, sizes)
    return shapes
