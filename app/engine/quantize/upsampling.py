"""A transposed convolution whose windows do not overlap, on integers: 1x1 convolution, then pixels from channels.

onnxruntime has no integer kernel for ConvTranspose. With kernel = stride and no padding every output pixel comes from one input
pixel, so with the channels last

    y[n, h r + i, w s + j, c] = sum_k x[n, h, w, k] W[k, c, i, j] + b[c]

is a 1x1 QLinearConv to r s C channels in the order (i, j, c), whose output is cut into pixels by two reshapes and a transpose
that copy C bytes at a time. 64 channels of 28 x 28 to 32 of 56 x 56, in turns: 127 us; with a float ConvTranspose 258 us.
"""

from __future__ import annotations

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.pointwise import TO_CHANNELS_FIRST, TO_CHANNELS_LAST
from app.engine.quantize.qdq_writer import QdqWriter
from app.engine.quantize.support import GraphFacts, upsampling_window
from app.engine.quantize.weights import QuantizedLayer


def write_upsampling(
    node: onnx.NodeProto, layer: QuantizedLayer, value: str, grid: QParams, output: str, facts: GraphFacts, writer: QdqWriter
) -> None:
    """
    Args:
        node: A ConvTranspose with an `upsampling_window`.
        value: Name of the dequantized input.
        grid: Of the output.
        output: Name to write, which is quantized next.
    """
    window = upsampling_window(node, facts.shapes)
    if window is None:
        raise ValueError(f"the windows of {node.name} overlap")
    rows, columns = window
    _, inputs, height, width = facts.shapes[node.input[0]]
    channels = layer.weight_q.shape[1]
    weight_q = np.ascontiguousarray(layer.weight_q.transpose(2, 3, 1, 0)).reshape(-1, inputs, 1, 1)  # (r s C, K, 1, 1)
    times = rows * columns
    axis = 0 if layer.weight_scale.ndim else None
    operands = [value, writer.weight(node.name, weight_q, _repeated(layer.weight_scale, times), axis)]
    if layer.bias_q is not None and layer.bias_scale is not None:
        operands.append(writer.bias(node.name, np.tile(layer.bias_q, times), _repeated(layer.bias_scale, times)))
    apart, together = (
        writer.constant(f"{node.name}_{name}", np.array(sizes, np.int64))
        for name, sizes in (
            ("apart", [-1, height, width, rows, columns, channels]),
            ("together", [-1, height * rows, width * columns, channels]),
        )
    )
    mixed = writer.node("Conv", operands, writer.fresh(f"{node.name}_mixed"), node.name)
    mixed = writer.round_trip(mixed, grid, f"{node.name}_mixed")
    value = writer.moved("Transpose", [mixed], f"{node.name}_last", grid, perm=TO_CHANNELS_LAST)
    value = writer.moved("Reshape", [value, apart], f"{node.name}_windows", grid)
    value = writer.moved("Transpose", [value], f"{node.name}_placed", grid, perm=[0, 1, 3, 2, 4, 5])
    value = writer.moved("Reshape", [value, together], f"{node.name}_image", grid)
    writer.node("Transpose", [value], output, writer.fresh(f"{node.name}_first"), perm=TO_CHANNELS_FIRST)


def _repeated(scale: np.ndarray, times: int) -> np.ndarray:
    return np.tile(scale, times) if scale.ndim else scale
