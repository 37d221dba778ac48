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
from onnx import helper

from app.engine.quantize.dynamic_graph import write_dynamic
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.recurrent import why_not_lstm
from app.engine.quantize.safe_pairs import safe_scales
from app.engine.quantize.weights import round_to_nearest, weight_scales

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
    rows_q: dict[str, np.ndarray]
    """Node name -> int8 weights (N, K), of MatMul and Gemm."""


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
    rows_q = {name: _rows_q(layer, settings, rounded or {}) for name, layer in layers.items()}
    scales = {name: dynamic_scales(layer, settings) for name, layer in layers.items()}
    model = write_dynamic(prepared, chosen, layers, rows_q, scales, safe=settings.weight_bits == 7)
    ordered = tuple(node.name for node in prepared.graph.node if node.name in chosen)
    return DynamicModel(model, ordered, reasons, rows_q)


def dynamic_scales(layer: Layer, settings: QuantizationSettings) -> np.ndarray:
    """(N,) float32, or () per tensor. The bias stays float, so it sets no limit."""
    no_bias_limit = np.float32(np.inf)
    scales = weight_scales(layer, no_bias_limit, per_channel=settings.weight_granularity == "per-channel")
    return safe_scales(layer, scales) if settings.weight_bits == 7 else scales


def _rows_q(layer: Layer, settings: QuantizationSettings, rounded: Mapping[str, np.ndarray]) -> np.ndarray:
    if layer.node in rounded:
        return rounded[layer.node]
    return round_to_nearest(layer.rows, dynamic_scales(layer, settings))


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
