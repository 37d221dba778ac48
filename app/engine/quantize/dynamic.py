"""Dynamic INT8: weights stored as integers, every activation quantized when it arrives, by the range it then has.

For models whose matrix products dominate (transformers, recurrent networks). It needs no calibration, and a grid per run fits
better than one for all samples. Convolutions stay float: ConvInteger runs at 0.27-0.34 x of the float kernel, depthwise at
0.05 x (measured in turns).

| symbol | meaning | shape | dtype |
| --- | --- | --- | --- |
| x | input of the product | (…, K) | float32 |
| x_q, s_x, z_x | DynamicQuantizeLinear(x), one grid per run | (…, K), (), () | uint8, float32, uint8 |
| w_q, s_w | weights to the nearest step, symmetric | (K, N), (N,) | int8, float32 |
| b | bias, float | (N,) | float32 |

    y = float(MatMulInteger(x_q, w_q, z_x, 0)) (s_x s_w) + b

In exactly this pattern onnxruntime runs one kernel, DynamicQuantizeMatMul, or MatMulIntegerToFloat behind one
DynamicQuantizeLinear that several products share (Q, K and V of an attention). uint8 weights would be no faster than FP32
(placement.md §6).

    find     MatMul(x, W), Gemm(x, W[, C]) with constant W; LSTM with constant W and R (recurrent.py)
    check    the reasons below; whatever fails stays as it is
    rewrite  as above; Gemm's transB is done on the constant, alpha goes into s_w, beta into C

Degenerate inputs: an all-zero column gets the smallest scale; NaN or infinite weights are refused by name; x = 0 throughout has
scale 0, which the operator defines as y = b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph.walk import nodes_within
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.recurrent import MICROSOFT, quantize_lstm, why_not_lstm
from app.engine.quantize.weights import largest_weight, round_to_nearest, weight_scales

SMALLEST_WEIGHT = 4096
"""K N below which the product costs less than quantizing its input (measured for 1 to 128 rows: 0.9 x of FP32)."""

NOT_CONSTANT = "its weights are not constant"
NOT_A_MATRIX = "its weights are no matrix"
NOT_FLOAT32 = "its weights are not float32"
TRANSPOSED_INPUT = "it reads its input transposed"
COMPUTED_BIAS = "its bias is computed and scaled"
SMALL = f"fewer than {SMALLEST_WEIGHT} weights: quantizing the input would cost more than the product"
SLOW_CONVOLUTION = "the runtime's dynamic integer convolution is slower than the float one"
NO_DYNAMIC_KERNEL = "has no dynamic integer kernel in this runtime"


@dataclass(frozen=True)
class DynamicModel:
    model: onnx.ModelProto
    quantized: tuple[str, ...]
    """Node names in graph order."""
    kept_in_float: dict[str, str]
    """Every other node that computes: name -> reason."""


def quantize_dynamic(
    prepared: onnx.ModelProto,
    settings: QuantizationSettings,
    keep_float: Mapping[str, str] | None = None,
    rounded: Mapping[str, np.ndarray] | None = None,
) -> DynamicModel:
    """A new model with the same inputs and outputs.

    Args:
        prepared: Unique node names, weights as initializers.
        keep_float: Node name -> the reason why it stays in float although it could be quantized.
        rounded: Node name -> int8 rows (N, K) on the scales of `dynamic_scales`; nearest where it has none.

    Raises:
        WorkbenchError: `quantize.not_finite`.
    """
    reasons: dict[str, str] = {}
    constants = {tensor.name: tensor for tensor in prepared.graph.initializer}
    for node in prepared.graph.node:
        reason = _why_not(node, constants)
        if reason is None and keep_float:
            reason = keep_float.get(node.name)
        if reason is not None:
            reasons[node.name] = reason
    chosen = frozenset(node.name for node in prepared.graph.node if node.name not in reasons)
    layers = find_layers(prepared.graph, chosen)
    writer = _Writer(prepared, layers, settings, rounded or {})
    for node in prepared.graph.node:
        writer.add(node, quantize=node.name in chosen)
    ordered = tuple(node.name for node in prepared.graph.node if node.name in chosen)
    return DynamicModel(writer.model(), ordered, reasons)


def dynamic_scales(layer: Layer, settings: QuantizationSettings) -> np.ndarray:
    """(N,) float32, or () per tensor. The bias stays float, so it sets no limit."""
    no_bias_limit = np.float32(np.inf)
    per_channel = settings.weight_granularity == "per-channel"
    return weight_scales(layer, no_bias_limit, per_channel=per_channel, qmax=largest_weight(settings.weight_bits))


def _why_not(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> str | None:
    if node.op_type == "LSTM" and node.domain == "":
        return why_not_lstm(node, constants)
    if node.op_type in {"Conv", "ConvTranspose"}:
        return SLOW_CONVOLUTION
    if node.op_type not in {"MatMul", "Gemm"} or node.domain != "":
        return NO_DYNAMIC_KERNEL
    weight = constants.get(node.input[1])
    if weight is None or node.input[0] in constants:
        return NOT_CONSTANT
    if weight.data_type != onnx.TensorProto.FLOAT:
        return NOT_FLOAT32
    if len(weight.dims) != 2:
        return NOT_A_MATRIX
    if int(np.prod(weight.dims)) < SMALLEST_WEIGHT:
        return SMALL
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if attributes.get("transA", 0):
        return TRANSPOSED_INPUT
    bias = node.input[2] if len(node.input) > 2 else ""
    return COMPUTED_BIAS if bias and bias not in constants and attributes.get("beta", 1.0) != 1.0 else None


class _Writer:
    """The new graph, node by node."""

    def __init__(
        self,
        prepared: onnx.ModelProto,
        layers: Mapping[str, Layer],
        settings: QuantizationSettings,
        rounded: Mapping[str, np.ndarray],
    ) -> None:
        self._prepared, self._layers, self._settings, self._rounded = prepared, layers, settings, rounded
        self._float = {tensor.name: numpy_helper.to_array(tensor) for tensor in prepared.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._quantized_inputs: set[str] = set()
        self._weights: dict[tuple[str, int, float, str], tuple[str, str]] = {}

    def add(self, node: onnx.NodeProto, *, quantize: bool) -> None:
        if not quantize:
            self._nodes.append(node)
        elif node.op_type == "LSTM":
            written, constants = quantize_lstm(node, self._float, largest_weight(self._settings.weight_bits))
            self._nodes.append(written)
            for name, values in constants.items():
                self._constant(name, values)
        else:
            self._product(node, self._layers[node.name])

    def _product(self, node: onnx.NodeProto, layer: Layer) -> None:
        name, (x_q, s_x, z_x) = node.name, self._quantized(layer.activation)
        w_q, s_w = self._weight(layer)
        zero = self._constant("int8_zero", np.zeros((), np.int8))
        bias = self._bias(node, layer)
        self._node("MatMulInteger", [x_q, w_q, z_x, zero], f"{name}_sums", f"{name}_integer")
        self._node("Cast", [f"{name}_sums"], f"{name}_steps", f"{name}_cast", to=onnx.TensorProto.FLOAT)
        self._node("Mul", [s_x, s_w], f"{name}_scale", f"{name}_scales")
        scaled = f"{name}_product" if bias else node.output[0]
        self._node("Mul", [f"{name}_steps", f"{name}_scale"], scaled, name)
        if bias:
            self._node("Add", [scaled, bias], node.output[0], f"{name}_add")

    def _weight(self, layer: Layer) -> tuple[str, str]:
        """Names of w_q and s_w; nodes that share a weight share its integers."""
        alpha = float(layer.attributes.get("alpha", 1.0))  # type: ignore[arg-type]
        rounded = self._rounded.get(layer.node)
        key = (layer.weight_name, layer.axis, alpha, "" if rounded is None else layer.node)
        if key not in self._weights:
            scales = dynamic_scales(layer, self._settings)
            if rounded is None:
                rounded = round_to_nearest(layer.rows, scales, largest_weight(self._settings.weight_bits))
            self._weights[key] = (
                self._constant(f"{layer.node}_weight_q", np.ascontiguousarray(rounded.T)),
                self._constant(f"{layer.node}_weight_scale", np.asarray(scales * np.float32(alpha), np.float32)),
            )
        return self._weights[key]

    def _bias(self, node: onnx.NodeProto, layer: Layer) -> str:
        """Name of Gemm's C, beta done; "" without one. A row (1, N) becomes (N,), which the runtime fuses."""
        if layer.op_type != "Gemm" or len(node.input) < 3 or not node.input[2]:
            return ""
        if node.input[2] not in self._float:
            return str(node.input[2])
        values = np.asarray(self._float[node.input[2]])
        if values.ndim == 2 and values.shape[0] == 1:
            values = values[0]
        beta = np.float32(layer.attributes.get("beta", 1.0))  # type: ignore[arg-type]
        return self._constant(f"{node.name}_bias", np.asarray(values * beta, np.float32))

    def _quantized(self, value: str) -> tuple[str, str, str]:
        names = (f"{value}_q", f"{value}_q_scale", f"{value}_q_zero_point")
        if value not in self._quantized_inputs:
            self._quantized_inputs.add(value)
            self._nodes.append(helper.make_node("DynamicQuantizeLinear", [value], list(names), name=f"{value}_quantize"))
        return names

    def _node(self, op_type: str, inputs: list[str], output: str, name: str, **attributes: int) -> None:
        self._nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))

    def _constant(self, name: str, values: np.ndarray) -> str:
        self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def model(self) -> onnx.ModelProto:
        """With only the constants that are still read, by a subgraph as well."""
        model = onnx.ModelProto()
        model.CopyFrom(self._prepared)
        graph = model.graph
        read = {name for node in nodes_within(self._nodes) for name in node.input} | {value.name for value in graph.output}
        kept = [tensor for tensor in self._prepared.graph.initializer if tensor.name in read]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend([*kept, *self._constants.values()])
        if any(node.domain == MICROSOFT for node in self._nodes) and MICROSOFT not in {e.domain for e in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return model
