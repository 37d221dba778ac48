"""The float graph that is calibrated and quantized: same function as the original, in the form placement expects.

Opset 13 or newer (per-channel QuantizeLinear), constants folded, BatchNorm folded into Conv, every node named, every
value's type and shape inferred. The folding is onnxruntime's own "basic" level, which is exact up to rounding and
independent of the hardware.
"""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import version_converter

from app.errors import WorkbenchError

MINIMUM_OPSET = 13


def prepare_graph(source: Path, target: Path) -> onnx.ModelProto:
    """Write the prepared model to `target` and return it.

    Raises:
        WorkbenchError: `quantize.opset` when the model cannot be brought to opset 13; `quantize.precision` when it is
            not a float32 model or already quantized.
    """
    model = onnx.load(source)
    _require_float32(model)
    model = _with_opset(model)
    intermediate = target.with_suffix(".opset.onnx")
    onnx.save(model, intermediate)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    ort.InferenceSession(str(intermediate), options, providers=["CPUExecutionProvider"])
    intermediate.unlink()
    model = onnx.shape_inference.infer_shapes(onnx.load(target))
    name_nodes(model.graph)
    onnx.save(model, target)
    return model


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give every node a unique name: `Conv_12` by its position where it has none or one already taken."""
    taken: set[str] = set()
    for position, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
            while node.name in taken:
                node.name += "_"
        taken.add(node.name)


def _with_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if opset >= MINIMUM_OPSET:
        return model
    try:
        return version_converter.convert_version(model, MINIMUM_OPSET)
    except (RuntimeError, ValueError) as error:
        reason = re.sub(r"\S*/\S*", "…", str(error).strip().splitlines()[-1])
        raise WorkbenchError(
            "quantize.opset",
            f"INT8 per channel needs opset {MINIMUM_OPSET} or newer, the model has {opset} and cannot be converted: {reason}",
            hint=f"Export the model again with opset {MINIMUM_OPSET} or newer.",
        ) from error


def _require_float32(model: onnx.ModelProto) -> None:
    operators = {node.op_type for node in model.graph.node}
    quantized = sorted(operators & {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"})
    if quantized:
        raise WorkbenchError(
            "quantize.already_quantized",
            f"This model is already quantized: it has {', '.join(quantized)} nodes.",
            hint="It can be measured and compared. To quantize anew, upload its FP32 original.",
        )
    half = [tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    if half:
        raise WorkbenchError(
            "quantize.float16",
            f"INT8 starts from float32 weights, but {len(half)} weights of this model are float16.",
            where=half[0],
            hint="It can be measured and compared. To quantize, export the model in FP32.",
        )
