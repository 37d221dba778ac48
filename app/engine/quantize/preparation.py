"""The float graph that is calibrated and quantized: the function of the original, in the form placement expects.

    original     float32, or half precision widened to it; opset 13 or newer (QuantizeLinear per channel); constants are
                 constants, also where old files list them as inputs
    folded       onnxruntime's own "basic" level, which is exact up to rounding and independent of the hardware: constants
                 computed, BatchNormalization and Pad folded into Conv, Identity and Dropout gone
    float twin   exact rewrites (graph/rewrites): the FP32 file that INT8 is fairly compared with, since INT8 has them, too
    prepared     the twin with what only integers need

Every node of the last two has a unique name, every value its type and shape where they can be inferred. A model over 2 GB keeps
its weights in a file beside it (`<name>.data`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # must be set before the import

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper, version_converter

from app.engine.graph.index import model_inputs
from app.engine.graph.model_io import LARGEST_PROTOBUF, constants_bytes, save_model
from app.engine.graph.precision import widen_to_float32
from app.engine.graph.rewrites import AppliedRewrite, PixelScale, apply_rewrites, for_integers
from app.engine.graph.safety import opset_of
from app.engine.graph.types import infer_types
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.layers import WEIGHTED
from app.engine.runtimes.onnxruntime import ORT_ERRORS
from app.errors import WorkbenchError

MINIMUM_OPSET = 13
MINIMUM_IR = 8
"""From version 4 on, a constant need not be an input, too; opset 13 wants 7."""
QUANTIZED_OPERATORS = frozenset(
    {
        "QuantizeLinear",
        "DequantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "QGemm",
        "MatMulNBits",
    }
)
WIDENED = "half-precision weights widened to float32"


@dataclass(frozen=True)
class Prepared:
    model: onnx.ModelProto
    rewrites: tuple[AppliedRewrite, ...]
    """What was made of the original beyond folding constants, in order; names of nodes as in `model`."""


def prepare(
    source: Path,
    target: Path,
    *,
    twin: Path | None = None,
    pixels: PixelScale | None = None,
    largest_file: int = LARGEST_PROTOBUF,
) -> Prepared:
    """Write the prepared model to `target`.

    Args:
        twin: Where the float twin goes.
        pixels: How the graph's input is made of 8-bit pixels, the same for all channels; None when it is not.
        largest_file: Bytes of weights from which on they go into a second file.

    Raises:
        WorkbenchError: `runtime.cannot_open`; `quantize.opset` for one that cannot be brought to opset 13;
            `quantize.already_quantized`; `quantize.not_finite` for weights that are no numbers.
    """
    model = onnx.load(source)
    _require_float(model)
    rewrites: list[AppliedRewrite] = []
    if widened := widen_to_float32(model):
        rewrites.append(AppliedRewrite(WIDENED, tuple(dict.fromkeys(name for name in widened if name))))
    model = _folded(_with_opset(_with_constants(model)), target, largest_file)
    _require_finite(model.graph)
    rewrites += apply_rewrites(model)
    if twin is not None:
        save_model(model, twin, largest=largest_file)
    rewrites += apply_rewrites(model, for_integers(pixels))
    save_model(model, target, largest=largest_file)
    return Prepared(model, tuple(rewrites))


def pixel_scale(preprocessing: Preprocessing) -> PixelScale | None:
    """Input = (pixel - mean) / divide_by as one scale and offset; None when channels differ."""
    means, divisors = set(preprocessing.mean), set(preprocessing.divide_by)
    if len(means) != 1 or len(divisors) != 1:
        return None
    (mean,), (divisor,) = means, divisors
    return PixelScale(1 / divisor, -mean / divisor) if divisor > 0 else None


def prepare_graph(source: Path, target: Path) -> onnx.ModelProto:
    """`prepare` for an input that is no image."""
    return prepare(source, target).model


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give every node a unique name: `Conv_12` by its position where it has none or one already taken."""
    taken: set[str] = set()
    for position, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
            while node.name in taken:
                node.name += "_"
        taken.add(node.name)


def _folded(model: onnx.ModelProto, target: Path, largest_file: int) -> onnx.ModelProto:
    """Through onnxruntime's basic optimizations and back, named and typed."""
    before, after = target.with_suffix(".before.onnx"), target.with_suffix(".after.onnx")
    save_model(model, before, largest=largest_file)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(after)
    options.log_severity_level = 3
    if constants_bytes(model) > largest_file:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", f"{after.name}.data")
    try:
        ort.InferenceSession(str(before), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(after)
    except ORT_ERRORS as error:
        raise WorkbenchError(
            "runtime.cannot_open",
            f"onnxruntime {ort.__version__} cannot open this model: {_without_paths(error)}",
            hint="Check the file with onnx.checker.",
        ) from error
    finally:
        for path in (before, after):
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    name_nodes(folded.graph)
    infer_types(folded)
    return folded


def _with_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that are listed as inputs could be fed by a caller and would not be folded."""
    inputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in model_inputs(model.graph)]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, MINIMUM_IR)
    return model


def _with_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    opset = opset_of(model)
    if opset >= MINIMUM_OPSET:
        return model
    try:
        return version_converter.convert_version(model, MINIMUM_OPSET)
    except (RuntimeError, ValueError) as error:
        raise WorkbenchError(
            "quantize.opset",
            f"INT8 per channel needs opset {MINIMUM_OPSET} or newer, the model has {opset} and cannot be converted: "
            f"{_without_paths(error)}",
            hint=f"Export the model again with opset {MINIMUM_OPSET} or newer.",
        ) from error


def _without_paths(error: Exception) -> str:
    """Its last line; the server's folders are nobody's business."""
    return re.sub(r"\S*/\S*", "…", str(error).strip().splitlines()[-1])


def _require_float(model: onnx.ModelProto) -> None:
    quantized = sorted({node.op_type for node in model.graph.node} & QUANTIZED_OPERATORS)
    if quantized:
        raise WorkbenchError(
            "quantize.already_quantized",
            f"This model is already quantized: it has {', '.join(quantized)} nodes.",
            hint="It can be measured and compared. To quantize anew, upload its FP32 original.",
        )


def _require_finite(graph: onnx.GraphProto) -> None:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for name in node.input[1:] if node.op_type in WEIGHTED else ():
            values = numpy_helper.to_array(constants[name]) if name in constants else np.zeros(())
            wrong = int(np.count_nonzero(~np.isfinite(values)))
            if wrong:
                raise WorkbenchError(
                    "quantize.not_finite",
                    f"{wrong:,} of the {values.size:,} weights of {node.op_type} are NaN or infinite.",
                    where=node.name,
                    hint="The file is damaged or its training diverged; export it again.",
                )
