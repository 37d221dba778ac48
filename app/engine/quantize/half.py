"""Half the size: weights stored as float16, computed with in float32.

    float32 constant w          becomes          float16 constant w_h -> Cast(float32) -> w

The runtime folds the Cast when it loads the file, so kernels, speed and memory are those of FP32; input and output stay float32
and every runtime can read it. Computing in float16 gains nothing on x86: onnxruntime 1.32 has no float16 kernels there and puts
conversions around the operators (in turns against FP32: a 4-layer encoder 0.94 x, with batch 8 0.98 x; MobileNet-v2 0.85 x).

| symbol | meaning | dtype |
| --- | --- | --- |
| w | a constant of the graph, neither small nor a vector | float32 |
| w_h | round_half_even(w), 11 significant bits, |w| <= 65504, steps of 2^-24 below 2^-14 | float16 |

Left in float32, each with its reason:
    beyond 65504        would become infinite
    under 60 dB         values so small that float16 loses their leading bits (rounding alone leaves some 73 dB)
    NaN or infinite     nothing to gain by keeping them in half the bytes: they are in the original, too
    small constants     shapes, epsilons (1e-12 would become 0), limits, vectors (biases, the variances of a BatchNormalization)
                        and depthwise filters: no size to win. The few large taps of a depthwise filter cancel each other, and
                        so do not their rounding errors: one such layer of 288 values cost 16 dB of MobileNet-v2's logits.

Constants in initializers and in Constant nodes, in subgraphs as well. Degenerate inputs: an all-zero constant is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph.walk import graphs
from app.engine.numerics.metrics import sqnr_db
from app.errors import WorkbenchError

LARGEST_HALF = float(np.finfo(np.float16).max)
SMALLEST_CONSTANT = 256
SMALLEST_ROW = 32
"""Values of a constant, of one entry along its first axis; see above."""
LOWEST_SQNR_DB = 60.0

NOT_FINITE = "has NaN or infinite values"
TOO_SMALL = "its values are too small for float16"


@dataclass(frozen=True)
class HalfModel:
    model: onnx.ModelProto
    halved: tuple[str, ...]
    """Names of the constants, in graph order."""
    kept: dict[str, str]
    """Large constants that stay float32: name -> reason."""


def store_as_half(model: onnx.ModelProto) -> HalfModel:
    """A new model with the same inputs, outputs and operators.

    Raises:
        WorkbenchError: `quantize.nothing_to_halve` when no constant can be stored in half.
    """
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    halved: list[str] = []
    kept: dict[str, str] = {}
    for graph in graphs(smaller):
        _halve(graph, halved, kept)
    if not halved:
        reasons = "; ".join(f"{name} {reason}" for name, reason in list(kept.items())[:3])
        raise WorkbenchError(
            "quantize.nothing_to_halve",
            f"FP16 halves float32 weights, but this model has none that can be halved{f': {reasons}' if reasons else ''}.",
            hint="Its file would not become smaller; use the original or INT8.",
        )
    return HalfModel(smaller, tuple(halved), kept)


def _halve(graph: onnx.GraphProto, halved: list[str], kept: dict[str, str]) -> None:
    fed = {value.name for value in graph.input}  # a default that a caller may replace
    casts: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        name = tensor.name
        if name not in fed and _becomes_half(tensor, name, halved, kept):
            tensor.name = f"{name}_half"
            casts.append(_cast(name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        value = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        if node.op_type == "Constant" and value is not None and _becomes_half(value, node.output[0], halved, kept):
            nodes.append(_cast(node.output[0]))
            node.output[0] = f"{node.output[0]}_half"
    rebuilt = [onnx.NodeProto.FromString(node.SerializeToString()) for node in (*casts, *nodes)]
    del graph.node[:]
    graph.node.extend(rebuilt)


def _cast(name: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_to_float", to=onnx.TensorProto.FLOAT)


def _becomes_half(tensor: onnx.TensorProto, name: str, halved: list[str], kept: dict[str, str]) -> bool:
    """Replace the values of `tensor` in place where float16 holds them, and note it."""
    size, row = int(np.prod(tensor.dims)), int(np.prod(tensor.dims[1:]))
    if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2 or size < SMALLEST_CONSTANT or row < SMALLEST_ROW:
        return False
    values = numpy_helper.to_array(tensor)
    reason = _why_not(values)
    if reason is not None:
        kept[name] = reason
        return False
    halved.append(name)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    return True


def _why_not(values: np.ndarray) -> str | None:
    if not np.isfinite(values).all():
        return NOT_FINITE
    largest = float(np.abs(values).max())
    if largest > LARGEST_HALF:
        return f"goes to {largest:.4g}, float16 ends at {LARGEST_HALF:.0f}"
    return TOO_SMALL if sqnr_db(values, values.astype(np.float16).astype(np.float32)) < LOWEST_SQNR_DB else None
