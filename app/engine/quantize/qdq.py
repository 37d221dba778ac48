"""Ranges and placement -> a QDQ model, through onnxruntime's own inserter.

Activations are uint8 on one grid per tensor, weights int8, symmetric, per output channel; biases int32
(placement.md §9, rules 1-4). The performance preset makes the range of signed tensors symmetric (zero point 128);
the mixed preset keeps both ends. Non-negative tensors always use the whole of 0..255.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import QuantType

from app.engine.quantize.barrier import insert_barriers
from app.engine.quantize.placement import Placement
from app.engine.quantize.recipe import Preset

SMALLEST_RANGE = 1e-8
"""A constant tensor of zeros still gets a scale > 0."""

SCORES_STAY_FLOAT = ["Gemm", "MatMul"]
"""Their integer kernels give float output for free (placement.md §1), so the final scores are not rounded."""


def activation_range(low: float, high: float, preset: Preset) -> tuple[float, float]:
    """The range on the 8-bit grid: contains 0; symmetric for signed tensors under the performance preset."""
    low, high = min(low, 0.0), max(high, 0.0)
    if preset == "performance" and low < 0:
        high = max(high, -low)
        low = -high
    return low, max(high, low + SMALLEST_RANGE)


def insert_qdq(model: onnx.ModelProto, placement: Placement, ranges: Mapping[str, tuple[float, float]]) -> onnx.ModelProto:
    """A new model with Q/DQ pairs around the placed nodes; layers kept in float between them are guarded."""
    quantizer = QDQQuantizer(
        model=_copy(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax,
            {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()},
        ),
        nodes_to_quantize=list(placement.quantized),
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({node.op_type for node in model.graph.node if node.name in set(placement.quantized)}),
        extra_options={"WeightSymmetric": True, "OpTypesToExcludeOutputQuantization": SCORES_STAY_FLOAT},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    insert_barriers(quantized, placement.kept_in_float)
    return quantized


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
