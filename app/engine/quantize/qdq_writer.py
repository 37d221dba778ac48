"""Writes nodes and constants of a QDQ graph, under names that the float graph does not have.

Scales and zero points are 0-d, except per channel (placement.md §1, trap 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph.names import Names
from app.engine.numerics.affine import QParams, compute_qparams, quantize


class QdqWriter:
    def __init__(self, names: Names) -> None:
        self.fresh = names.fresh
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, op_type: str, inputs: list[str], output: str, name: str, **attributes: Any) -> str:
        """Append a node with one output; returns the output's name."""
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))
        return output

    def constant(self, stem: str, values: np.ndarray) -> str:
        name = self.fresh(stem)
        self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def round_trip(
        self, value: str, quantizer: QParams, name: str, dequantizer: QParams | None = None, output: str = ""
    ) -> str:
        """value -> QuantizeLinear -> DequantizeLinear -> output.

        Args:
            dequantizer: Another scale on the way back: the integers then stand for other real values.
            output: Its name; `<name>_dq` by default.
        """
        parameters = self._parameters(name, quantizer)
        quantized = self.node("QuantizeLinear", [value, *parameters], self.fresh(f"{name}_q"), self.fresh(f"{name}_quantize"))
        if dequantizer is not None:
            parameters = self._parameters(f"{name}_read", dequantizer)
        output = output or self.fresh(f"{name}_dq")
        return self.node("DequantizeLinear", [quantized, *parameters], output, self.fresh(f"{name}_dequantize"))

    def dequantized(self, name: str, values: np.ndarray, scale: np.ndarray, zeros: np.ndarray, axis: int | None = None) -> str:
        """An integer constant behind DequantizeLinear."""
        inputs = [
            self.constant(f"{name}_q", values),
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero_point", zeros),
        ]
        attributes = {} if axis is None else {"axis": axis}
        output = self.fresh(f"{name}_dq")
        return self.node("DequantizeLinear", inputs, output, self.fresh(f"{name}_dequantize"), **attributes)

    def rounded_constant(self, name: str, values: np.ndarray) -> str:
        """A float constant on a uint8 grid of its own: the type of activations, or their integer kernel is not used."""
        grid = compute_qparams(values.min(initial=0.0), values.max(initial=0.0), "uint8", symmetric=False)
        return self.dequantized(name, quantize(values, grid), grid.scale, grid.zero_point)

    def weight(self, node: str, values: np.ndarray, scale: np.ndarray, axis: int | None) -> str:
        return self.dequantized(f"{node}_weight", values, scale, np.zeros(scale.shape, np.int8), axis)

    def bias(self, node: str, values: np.ndarray, scale: np.ndarray) -> str:
        return self.dequantized(f"{node}_bias", values, scale, np.zeros(scale.shape, np.int32), 0 if scale.ndim else None)

    def moved(self, op_type: str, inputs: list[str], name: str, grid: QParams, **attributes: Any) -> str:
        """A node that moves values, with the same grid before and behind."""
        return self.round_trip(self.node(op_type, inputs, self.fresh(name), self.fresh(name), **attributes), grid, name)

    def _parameters(self, name: str, grid: QParams) -> list[str]:
        return [self.constant(f"{name}_scale", grid.scale), self.constant(f"{name}_zero_point", grid.zero_point)]
