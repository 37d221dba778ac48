"""A 1x1 convolution with float output from integers: Gemm over the pixels.

QLinearConv can only write 8-bit values, QGemm also float ones, for nothing. So where only float nodes read a 1x1 convolution
(scores and boxes of a detector, maps of a segmentation), its output need not be rounded. Channels last, the pixels are rows:

    x (N, C, H, W) -> Transpose (N, H, W, C) -> Reshape (N H W, C) -> Gemm -> Reshape (N, H, W, O) -> Transpose (N, O, H, W)

The first transpose cancels the one that onnxruntime puts behind QLinearConv. Measured in turns on heads of six shapes: 0.99 to
1.2 times the time of QLinearConv and DequantizeLinear; the same layer as float Conv takes 1.3 to 3 times.
"""

from __future__ import annotations

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.qdq_writer import QdqWriter
from app.engine.quantize.support import GraphFacts, attributes_of
from app.engine.quantize.weights import QuantizedLayer

TO_CHANNELS_LAST, TO_CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def is_pointwise(node: onnx.NodeProto, facts: GraphFacts) -> bool:
    """Whether the node is a 1x1 Conv of one group, one output per input pixel, on a known height and width."""
    if node.op_type != "Conv":
        return False
    attributes = attributes_of(node)
    weight, before = (facts.shapes.get(name, ()) for name in (node.input[1], node.input[0]))
    still = (
        attributes.get("group", 1) == 1
        and set(_ints(attributes.get("strides"))) <= {1}
        and not any(_ints(attributes.get("pads")))
    )
    return still and len(weight) == 4 and weight[2:] == (1, 1) and len(before) == 4 and all(before[1:])


def write_pointwise(
    node: onnx.NodeProto, layer: QuantizedLayer, value: str, grid: QParams, facts: GraphFacts, writer: QdqWriter
) -> None:
    """
    Args:
        value: Name of the dequantized input, which is on `grid`.
    """
    _, inputs, height, width = facts.shapes[node.input[0]]
    outputs = layer.weight_q.shape[0]
    rows, pixels = (
        writer.constant(f"{node.name}_{name}", np.array(sizes, np.int64))
        for name, sizes in (("rows", [-1, inputs]), ("pixels", [-1, height, width, outputs]))
    )
    value = writer.moved("Transpose", [value], f"{node.name}_last", grid, perm=TO_CHANNELS_LAST)
    value = writer.moved("Reshape", [value, rows], f"{node.name}_matrix", grid)
    weight_q = np.ascontiguousarray(layer.weight_q.reshape(outputs, inputs).T)
    axis = 1 if layer.weight_scale.ndim else None
    operands = [value, writer.weight(node.name, weight_q, layer.weight_scale, axis)]
    if layer.bias_q is not None and layer.bias_scale is not None:
        operands.append(writer.bias(node.name, layer.bias_q, layer.bias_scale))
    product = writer.node("Gemm", operands, writer.fresh(f"{node.name}_product"), node.name)
    name = writer.fresh(f"{node.name}_image")
    image = writer.node("Reshape", [product, pixels], name, name)
    writer.node("Transpose", [image], node.output[0], writer.fresh(f"{node.name}_first"), perm=TO_CHANNELS_FIRST)


def _ints(value: object) -> list[int]:
    return value if isinstance(value, list) else []
