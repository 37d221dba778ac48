"""Weighted nodes (Conv, ConvTranspose, Gemm, MatMul) seen alike: a matrix of weights per output channel, an optional bias.

    W     weights as one row per output channel         (C_out, K)
    b     bias                                          (C_out,)
    axis  position of the output channels in the file's tensor

Conv (C_out, C_in/groups, kH, kW) has axis 0; Gemm (K, N) has axis 1, with transB = 1 axis 0; MatMul (K, N) has axis 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class Layer:
    node: str
    op_type: str
    activation: str
    """Name of the value it reads."""
    output: str
    weight_name: str
    weight: np.ndarray
    """As in the file, float32."""
    axis: int
    bias_name: str
    """"" without a bias."""
    bias: np.ndarray | None
    """(C_out,) float32, already multiplied by Gemm's beta."""
    groups: int
    attributes: dict[str, object]

    @property
    def channels(self) -> int:
        return int(self.weight.shape[self.axis])

    @property
    def columns(self) -> int:
        """K: how many inputs one output of the layer reads."""
        return int(self.weight.size) // self.channels

    @property
    def rows(self) -> np.ndarray:
        """(C_out, K)."""
        return self.rows_of(self.weight)

    def rows_of(self, weight: np.ndarray) -> np.ndarray:
        """(C_out, K) of weights in the file's shape."""
        return np.moveaxis(weight, self.axis, 0).reshape(self.channels, -1)

    def from_rows(self, rows: np.ndarray) -> np.ndarray:
        """(C_out, K) back to the file's shape."""
        shape = list(self.weight.shape)
        moved = [shape.pop(self.axis), *shape]
        return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, self.axis))

    @property
    def depthwise(self) -> bool:
        return self.op_type == "Conv" and self.groups > 1 and self.weight.shape[1] == 1


def find_layers(graph: onnx.GraphProto, names: frozenset[str]) -> dict[str, Layer]:
    """The weighted nodes among `names`, all with constant weights, in graph order."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    return {node.name: _layer(node, constants) for node in graph.node if node.name in names and node.op_type in WEIGHTED}


def _layer(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Layer:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    weight = numpy_helper.to_array(constants[node.input[1]]).astype(np.float32)
    bias_name = node.input[2] if len(node.input) > 2 else ""
    bias = None
    if bias_name and bias_name in constants:
        bias = numpy_helper.to_array(constants[bias_name]).astype(np.float32).reshape(-1) * float(attributes.get("beta", 1.0))
    if node.op_type in {"Conv", "ConvTranspose"}:
        axis = 0 if node.op_type == "Conv" else 1
    elif node.op_type == "Gemm" and attributes.get("transB", 0):
        axis = 0
    else:
        axis = weight.ndim - 1
    return Layer(
        node=node.name,
        op_type=node.op_type,
        activation=node.input[0],
        output=node.output[0],
        weight_name=node.input[1],
        weight=weight,
        axis=axis,
        bias_name=bias_name,
        bias=bias,
        groups=int(attributes.get("group", 1)),
        attributes=attributes,
    )
