"""Grids and quantized layers -> a QDQ model.

    value x with a grid      producer -> x -> QuantizeLinear -> x_q -> DequantizeLinear -> x_dq -> every consumer
    weight of a placed layer int8 constant -> DequantizeLinear -> layer
    bias                     int32 constant -> DequantizeLinear(scale s_x s_w) -> layer

Every consumer reads x_dq, a float one too: one that read x itself would force the producer into float (placement.md §1, "one
tensor, several consumers"). Scales and zero points are 0-d, except those per channel (trap 4). Relu and Clip that only cut what
the grid cuts anyway are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.numerics.affine import QParams
from app.engine.quantize.weights import QuantizedLayer


def insert_qdq(
    model: onnx.ModelProto,
    grids: Mapping[str, QParams],
    layers: Mapping[str, QuantizedLayer],
    folded: Mapping[str, str],
) -> onnx.ModelProto:
    """A new model.

    Args:
        grids: Value name -> grid, per tensor.
        layers: Node name -> its constants as integers.
        folded: Node name of a dropped Relu or Clip -> the value it read; its producer now writes the node's output.
    """
    return _Insertion(model, grids, layers, folded).build()


class _Insertion:
    def __init__(
        self,
        model: onnx.ModelProto,
        grids: Mapping[str, QParams],
        layers: Mapping[str, QuantizedLayer],
        folded: Mapping[str, str],
    ) -> None:
        self._model, self._grids, self._layers, self._folded = model, grids, layers, folded
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def build(self) -> onnx.ModelProto:
        graph = self._model.graph
        renamed = {node.input[0]: node.output[0] for node in graph.node if node.name in self._folded}
        for value in graph.input:
            self._quantize(value.name)
        for node in graph.node:
            if node.name in self._folded:
                continue
            rewritten = onnx.NodeProto()
            rewritten.CopyFrom(node)
            for position, name in enumerate(node.input):
                if name in self._grids:
                    rewritten.input[position] = f"{name}_dq"
            if node.name in self._layers:
                self._replace_constants(rewritten, self._layers[node.name])
            for position, name in enumerate(node.output):
                rewritten.output[position] = _last(renamed, name)
            self._nodes.append(rewritten)
            for name in rewritten.output:
                self._quantize(name)
        return self._assembled()

    def _quantize(self, value: str) -> None:
        if value not in self._grids:
            return
        grid = self._grids[value]
        parameters = [self._constant(f"{value}_scale", grid.scale), self._constant(f"{value}_zero_point", grid.zero_point)]
        self._nodes.append(helper.make_node("QuantizeLinear", [value, *parameters], [f"{value}_q"], name=f"{value}_quantize"))
        self._nodes.append(
            helper.make_node("DequantizeLinear", [f"{value}_q", *parameters], [f"{value}_dq"], name=f"{value}_dequantize")
        )

    def _replace_constants(self, node: onnx.NodeProto, layer: QuantizedLayer) -> None:
        axis = layer.axis if layer.weight_scale.ndim else None
        zeros = np.zeros(layer.weight_scale.shape, np.int8)
        node.input[1] = self._dequantized(f"{node.name}_weight", layer.weight_q, layer.weight_scale, zeros, axis)
        if layer.bias_q is not None and layer.bias_scale is not None:
            zeros = np.zeros(layer.bias_scale.shape, np.int32)
            bias = self._dequantized(f"{node.name}_bias", layer.bias_q, layer.bias_scale, zeros, 0 if zeros.ndim else None)
            if len(node.input) > 2:
                node.input[2] = bias
            else:
                node.input.append(bias)
            for attribute in node.attribute:
                if attribute.name == "beta":  # its factor is in the bias already
                    attribute.f = 1.0

    def _dequantized(self, name: str, values: np.ndarray, scale: np.ndarray, zeros: np.ndarray, axis: int | None) -> str:
        inputs = [
            self._constant(f"{name}_q", values),
            self._constant(f"{name}_scale", scale),
            self._constant(f"{name}_zero_point", zeros),
        ]
        attributes = {} if axis is None else {"axis": axis}
        self._nodes.append(
            helper.make_node("DequantizeLinear", inputs, [f"{name}_dq"], name=f"{name}_dequantize", **attributes)
        )
        return f"{name}_dq"

    def _constant(self, name: str, values: np.ndarray) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def _assembled(self) -> onnx.ModelProto:
        """The model with the new nodes and only the constants they still read."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        graph = model.graph
        read = {name for node in self._nodes for name in node.input} | {value.name for value in graph.output}
        kept = [tensor for tensor in self._model.graph.initializer if tensor.name in read]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend([*kept, *self._constants.values()])
        return model


def _last(renamed: Mapping[str, str], name: str) -> str:
    while name in renamed:
        name = renamed[name]
    return name
