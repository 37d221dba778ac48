"""Has a node an integer kernel, in the form it has here? What the operator's name alone does not tell.

    Conv, Gemm, MatMul   weights and bias constant; Gemm without transA and alpha, MatMul with a constant matrix
    ConvTranspose        over windows that do not overlap (upsampling.py)
    Add, Mul, Sub, Div   two variable operands (Add, Mul), or one and a constant (all four: Sub and Div become Add and Mul)
    MaxPool              over two axes: the kernel for one or three is the slow one in channels-first layout
    Resize               nearest, of known sizes: becomes two gathers along rows and columns (resampling.py)
    HardSigmoid          rising (alpha > 0)

Found by reading the optimized graphs of each form (tests/unit/engine/quantize/test_kernels_of_operators.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.graph.index import GraphIndex
from app.engine.graph.multiply_adds import node_multiply_adds
from app.engine.graph.walk import nodes_within
from app.engine.quantize.resampling import nearest_indices

NOT_CONSTANT = "its weights are not constant"
BIAS_NOT_CONSTANT = "its bias is not a constant per output channel"
GEMM_FORM = "onnxruntime has no integer kernel for Gemm with transA or alpha"
MATRIX = "its constant is not a matrix"
CONSTANT_FORM = "its constant operand has no integer form"
OVERLAPPING = "only a transposed convolution whose windows do not overlap has an integer form"
POOLING_AXES = "its 8-bit kernel is slow for other than two axes"
RESIZE_FORM = "only nearest resizing to a known size has a fast integer form"
FALLING = "its slope is not positive"
Limits = tuple[float, float]


class GraphFacts:
    """Constants, shapes, neighbours and multiply-adds of a prepared graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.index = GraphIndex(model.graph)
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(tensor.dims) for name, tensor in self.constants.items()}
        """Value name -> sizes, 0 where unknown; a free first axis is a batch of 1."""
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
            if value.type.tensor_type.HasField("shape"):
                dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
                self.shapes.setdefault(value.name, tuple(size or int(axis == 0) for axis, size in enumerate(dims)))

    def multiply_adds(self, node: onnx.NodeProto) -> int | None:
        """Of one sample; None when a size is not known."""
        known = {name: self.shapes[name] for name in (*node.input, *node.output) if all(self.shapes.get(name, (0,)))}
        return node_multiply_adds(node, known)

    def constant(self, name: str) -> np.ndarray | None:
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None


def multiply_adds_of(model: onnx.ModelProto) -> int:
    """Of the whole model for one sample, layers of unknown size not counted."""
    facts = GraphFacts(model)
    return sum(facts.multiply_adds(node) or 0 for node in model.graph.node)


def attributes_of(node: onnx.NodeProto) -> dict[str, object]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def clip_limits(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> Limits | None:
    """Smallest and largest output of a Relu or Clip; None when they are computed in the graph."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    limits = [-np.inf, np.inf]
    for position, name in enumerate(node.input[1:3]):
        if name:
            if name not in constants:
                return None
            limits[position] = float(numpy_helper.to_array(constants[name]).reshape(-1)[0])
    return limits[0], limits[1]


def read_by_subgraphs(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names that the insides of If, Loop and Scan read; among them outer values."""
    read: set[str] = set()
    for node in nodes:
        for inner in nodes_within([node]):
            if inner is not node:
                read.update(inner.input)
            for attribute in inner.attribute:
                for body in (attribute.g, *attribute.graphs):
                    read.update(value.name for value in body.output)
    return read


def why_no_integer_form(node: onnx.NodeProto, facts: GraphFacts) -> str | None:
    """None when the node, whose operator has an integer kernel, has one in this form; else the reason in words."""
    check = CHECKS.get(node.op_type)
    return check(node, facts) if check else None


def _layer(node: onnx.NodeProto, facts: GraphFacts) -> str | None:
    weight = facts.constants.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or weight.data_type != onnx.TensorProto.FLOAT:
        return NOT_CONSTANT
    attributes = attributes_of(node)
    if node.op_type == "MatMul" and len(weight.dims) != 2:
        return MATRIX
    if node.op_type == "Gemm" and (attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1.0):
        return GEMM_FORM
    if len(node.input) > 2 and node.input[2]:
        channels = weight.dims[0 if node.op_type == "Conv" or attributes.get("transB", 0) else 1]
        bias = facts.constants.get(node.input[2])
        if bias is None or np.prod(bias.dims, dtype=int) != channels or (bias.dims and bias.dims[-1] != channels):
            return BIAS_NOT_CONSTANT
    return None


def _transposed(node: onnx.NodeProto, facts: GraphFacts) -> str | None:
    return _layer(node, facts) if upsampling_window(node, facts.shapes) else OVERLAPPING


def upsampling_window(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int] | None:
    """(rows, columns) of a ConvTranspose whose windows tile its output without gaps, overlap or padding; None for any other."""
    attributes = attributes_of(node)
    weight, before, after = (shapes.get(name, ()) for name in (*reversed(node.input[:2]), node.output[0]))
    if len(weight) != 4 or len(before) != 4 or len(after) != 4 or not all(before[1:]) or attributes.get("group", 1) != 1:
        return None
    rows, columns = weight[2:]
    tiled = after[1:] == (weight[1], before[2] * rows, before[3] * columns)
    return (rows, columns) if tiled and attributes.get("strides", [1, 1]) == [rows, columns] else None


def _binary(node: onnx.NodeProto, facts: GraphFacts) -> str | None:
    operands = [facts.constant(name) for name in node.input]
    if all(operand is None for operand in operands):
        return None if node.op_type in {"Add", "Mul"} else f"{node.op_type} of two variables has no integer kernel"
    first, second = operands
    constant = second if first is None else first
    if constant is None or (first is not None and (second is not None or node.op_type in {"Sub", "Div"})):
        return CONSTANT_FORM
    usable = constant.dtype == np.float32 and constant.size and np.isfinite(constant).all()
    return None if usable and not (node.op_type == "Div" and not constant.all()) else CONSTANT_FORM


def _max_pool(node: onnx.NodeProto, _: GraphFacts) -> str | None:
    kernel = attributes_of(node).get("kernel_shape")
    return None if isinstance(kernel, list) and len(kernel) == 2 and len(node.output) == 1 else POOLING_AXES


def _resize(node: onnx.NodeProto, facts: GraphFacts) -> str | None:
    return None if nearest_indices(node, facts.shapes, facts.constant) is not None else RESIZE_FORM


def _hard_sigmoid(node: onnx.NodeProto, _: GraphFacts) -> str | None:
    alpha = attributes_of(node).get("alpha", 0.2)
    return None if isinstance(alpha, float) and alpha > 0 else FALLING


CHECKS: dict[str, Callable[[onnx.NodeProto, GraphFacts], str | None]] = {
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), _layer),
    "ConvTranspose": _transposed,
    **dict.fromkeys(("Add", "Mul", "Sub", "Div"), _binary),
    "MaxPool": _max_pool,
    "Resize": _resize,
    "HardSigmoid": _hard_sigmoid,
}
