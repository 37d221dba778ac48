"""What onnxruntime really runs: the kernels in its own optimized graph of a model.

Weighted operators end as one of these:

    integer   QLinearConv, QGemm, QLinearMatMul, MatMulIntegerToFloat, DynamicQuantizeMatMul, …
    float     Conv, FusedConv, NhwcFusedConv, Gemm, FusedGemm, MatMul, FusedMatMul, ConvTranspose
    float on rounded weights   the same behind a DequantizeLinear of its weights: integers planned, or onnxruntime rounded
              them by itself (pass WeightBiasQuantization; placement.md §1, trap 1)

Kernels are named after the node they run, with a suffix where a node was copied (`conv_token_3`), or after the value they
write (`relu_y_nchwc`), then that of an activation or Add they swallowed: the way back through those leads to the node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from app.engine.runtimes.onnxruntime import (
    LOG_FATAL,
    ORT_ERRORS,
)  # first: it sets what must be set before onnxruntime is loaded

import onnxruntime as ort  # isort: skip
from app.errors import WorkbenchError

INTEGER = frozenset(
    {"ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "MatMulNBits"}
    | {"QGemm", "QLinearConv", "QLinearMatMul", "QAttention"}
)
FLOAT = frozenset(
    {"Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul", "NhwcFusedConv", "TransposeMatMul"}
)
SWALLOWED = frozenset({"Add", "Clip", "HardSigmoid", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Tanh"})
SLOW_ON_INTEGERS = frozenset({"MaxPool", "Resize"})
"""Channels-first 8-bit kernels, up to 50 times slower than float ones (placement.md §1)."""
LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class Kernel:
    node: str
    """Name of the weighted node of the model that it runs; "" when that cannot be told."""
    op_type: str
    integer: bool
    rounded_weights: bool
    """A float kernel that first makes floats of integer weights."""


@dataclass(frozen=True)
class KernelTable:
    layers: tuple[Kernel, ...]
    """Of weighted operators."""
    conversions: int
    """QuantizeLinear and DequantizeLinear nodes of activations that are left."""
    others: tuple[str, ...]
    """Other nodes that run in a QLinear kernel."""
    slow: tuple[str, ...]
    """Nodes in an 8-bit kernel that is slower than the float one."""

    def by_node(self) -> dict[str, Kernel]:
        return {kernel.node: kernel for kernel in self.layers if kernel.node}


def read_kernels(model: Path | onnx.ModelProto, folder: Path) -> KernelTable:
    """
    Args:
        folder: For two temporary files, the size of the model.

    Raises:
        WorkbenchError: `runtime.cannot_open`.
    """
    given = onnx.load(model, load_external_data=False) if isinstance(model, Path) else model
    optimized = optimized_graph(model, folder)
    dequantized = {node.output[0] for node in optimized.node if node.op_type == "DequantizeLinear"}
    constants = {tensor.name for tensor in optimized.initializer}
    names = _Names(given.graph)
    kernels = []
    for node in optimized.node:
        if node.op_type in INTEGER | FLOAT:
            integer = node.op_type in INTEGER
            kernels.append(Kernel(names.find(node), node.op_type, integer, not integer and node.input[1] in dequantized))
    conversions = [
        node
        for node in optimized.node
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} and node.input[0] not in constants
    ]
    bytes_of = _byte_values(optimized)
    slow = [names.plain(node.name) for node in optimized.node if node.op_type in SLOW_ON_INTEGERS and node.input[0] in bytes_of]
    others = [
        names.plain(node.name) for node in optimized.node if node.op_type.startswith("QLinear") and node.op_type not in INTEGER
    ]
    return KernelTable(tuple(kernels), len(conversions), tuple(filter(None, others)), tuple(slow))


def optimized_graph(model: Path | onnx.ModelProto, folder: Path) -> onnx.GraphProto:
    """The graph that onnxruntime runs on this machine, its large constants left out."""
    target = folder / "optimized.onnx"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimized.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise WorkbenchError(
            "runtime.cannot_open",
            f"onnxruntime {ort.__version__} cannot open this model: {str(error).splitlines()[0]}",
            hint="Check the file with onnx.checker.",
        ) from error
    graph = onnx.load(target, load_external_data=False).graph
    for file in (target, folder / "optimized.bin"):
        file.unlink(missing_ok=True)
    return graph


class _Names:
    """From a kernel to the node of the given graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes: Mapping[str, onnx.NodeProto] = {node.name: node for node in graph.node if node.name}
        self._producers = {value: node for node in graph.node for value in node.output}
        self._found: set[str] = set()

    def plain(self, kernel: str) -> str:
        """The node's own name, when the kernel has it with a suffix or without."""
        if kernel in self._nodes:
            return kernel
        base = re.sub(r"(_token_\d+|_nchwc|_nhwc)+$", "", kernel)
        return base if base in self._nodes else ""

    def find(self, kernel: onnx.NodeProto) -> str:
        node = self._nodes.get(self.plain(kernel.name))
        if node is None:
            value = re.sub(r"(_token_\d+|_nchwc|_nhwc)+$", "", kernel.name)
            node = self._producers.get(value) or next(filter(None, map(self._producers.get, kernel.output)), None)
        layer = self._layer_behind(node)
        self._found.add(layer)
        return layer

    def _layer_behind(self, node: onnx.NodeProto | None) -> str:
        """The weighted node itself, or the one in front of activations and Adds; of two branches the one not found yet."""
        if node is None:
            return ""
        if node.op_type in LAYERS:
            return node.name if node.name not in self._found else ""
        if node.op_type not in SWALLOWED | {"QuantizeLinear", "DequantizeLinear"}:
            return ""
        behind = (self._layer_behind(self._producers.get(name)) for name in node.input)
        return next((name for name in behind if name), "")


def _byte_values(graph: onnx.GraphProto) -> set[str]:
    """Names of 8-bit values, as far as their producers tell."""
    found = {
        value.name
        for value in (*graph.value_info, *graph.input)
        if value.type.tensor_type.elem_type in {onnx.TensorProto.UINT8, onnx.TensorProto.INT8}
    }
    for node in graph.node:
        if node.op_type.startswith(("QuantizeLinear", "QLinear", "NhwcMaxPool")) or (
            node.input and node.input[0] in found and node.op_type not in {"DequantizeLinear", "MatMulIntegerToFloat", "QGemm"}
        ):
            found.update(node.output)
    return found
