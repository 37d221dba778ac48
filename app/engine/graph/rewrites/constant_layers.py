"""Layers with constant weights as y = W x + b, whatever the operator, for rules that change W and b.

    operator        weight in the file                   output channels    input channels
    Conv            (C_out, C_in/groups, k...)           axis 0             axis 1, per group
    ConvTranspose   (C_in, C_out/groups, k...)           axis 1, per group  axis 0
    Gemm            (K, N); transB = 1: (N, K)           N                  K
    MatMul          (K, N)                               N                  K; no bias

A changed weight or bias is a new constant: others may share the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from app.engine.graph.rewrites.editing import GraphEditor, attribute_of, ints_of, is_standard, pads_itself, set_attribute

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ConstantLayer:
    node: onnx.NodeProto
    weight: Array
    """As in the file, float64."""
    bias: Array
    """(C_out,) float64, 0 where there is none; Gemm's beta is in it."""

    @property
    def channel_axis(self) -> int:
        """Of its input and output values."""
        return -1 if self.node.op_type == "MatMul" else 1

    @property
    def has_bias(self) -> bool:
        """Whether the operator can take one."""
        return bool(self.node.op_type != "MatMul")

    @property
    def padded(self) -> bool:
        """Whether zeros that are no values of the input may take part."""
        return any(ints_of(self.node, "pads")) or pads_itself(self.node)

    def scale_outputs(self, factor: Array) -> Array:
        """The weight of factor (W x); factor is () or (C_out,)."""
        scaled: Array = self.weight * self._along_outputs(np.broadcast_to(factor, self.bias.shape))
        return scaled

    def scale_inputs(self, factor: Array) -> Array:
        """The weight of W (factor x); factor is () or (C_in,)."""
        return self.weight * (factor if factor.ndim == 0 else self._along_inputs(factor))

    def response(self, offset: Array) -> Array:
        """(C_out,): what W x + b gains when the offset, () or (C_in,), is added to every x; for Conv and Gemm."""
        summed = self.scale_inputs(offset).astype(np.float64)
        axis = _output_axis(self.node)
        total: Array = np.moveaxis(summed, axis, 0).reshape(summed.shape[axis], -1).sum(axis=1)
        return total * float(attribute_of(self.node, "alpha", 1.0))

    def _along_outputs(self, factor: Array) -> Array:
        groups = _groups(self.node)
        if self.node.op_type == "ConvTranspose":
            inputs, per_group, *kernel = self.weight.shape
            spread = np.repeat(factor.reshape(groups, per_group), inputs // groups, axis=0)
            return spread.reshape(inputs, per_group, *[1] * len(kernel))
        return _on_axis(factor, _output_axis(self.node), self.weight.ndim)

    def _along_inputs(self, factor: Array) -> Array:
        groups = _groups(self.node)
        if self.node.op_type == "Conv":
            outputs, per_group, *kernel = self.weight.shape
            spread = np.repeat(factor.reshape(groups, per_group), outputs // groups, axis=0)
            return spread.reshape(outputs, per_group, *[1] * len(kernel))
        axis = 0 if self.node.op_type == "ConvTranspose" else 1 - _output_axis(self.node)
        return _on_axis(factor, axis, self.weight.ndim)


def constant_layer(editor: GraphEditor, node: onnx.NodeProto) -> ConstantLayer | None:
    """None for another operator, computed weights or biases, types other than float32, and unusual shapes."""
    if not is_standard(node, *LAYERS) or attribute_of(node, "transA", 0):
        return None
    weight = editor.constant(node.input[1])
    matrix = node.op_type in {"Gemm", "MatMul"}
    if weight is None or weight.dtype != np.float32 or (matrix and weight.ndim != 2):
        return None
    outputs = weight.shape[_output_axis(node)] * (_groups(node) if node.op_type == "ConvTranspose" else 1)
    bias: Array = np.zeros(outputs)
    if len(node.input) > 2 and node.input[2]:
        stored = editor.constant(node.input[2])
        if stored is None or stored.size not in {1, outputs} or stored.shape[:-1].count(1) != max(stored.ndim - 1, 0):
            return None
        bias = bias + stored.reshape(-1).astype(np.float64) * float(attribute_of(node, "beta", 1.0))
    return ConstantLayer(node, weight.astype(np.float64), bias)


def store_weight(editor: GraphEditor, layer: ConstantLayer, weight: Array) -> None:
    editor.set_input(layer.node, 1, editor.add_constant(f"{layer.node.name}_weight", weight.astype(np.float32)))


def store_bias(editor: GraphEditor, layer: ConstantLayer, bias: Array) -> None:
    """Gemm's beta becomes 1; a bias of zeros that was not there before is not made."""
    if len(layer.node.input) < 3 and not np.any(bias):
        return
    editor.set_input(layer.node, 2, editor.add_constant(f"{layer.node.name}_bias", bias.astype(np.float32)))
    if layer.node.op_type == "Gemm":
        set_attribute(layer.node, "beta", 1.0)


def _output_axis(node: onnx.NodeProto) -> int:
    if node.op_type == "Conv" or (node.op_type == "Gemm" and attribute_of(node, "transB", 0)):
        return 0
    return 1


def _groups(node: onnx.NodeProto) -> int:
    return int(attribute_of(node, "group", 1))


def _on_axis(factor: Array, axis: int, rank: int) -> Array:
    shape = [1] * rank
    shape[axis] = -1
    return factor.reshape(shape)
