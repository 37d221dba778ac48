"""Rewrite rule: keep a float node between quantized ones really float, and an integer Gemm with float output integer.

onnxruntime's optimizer makes integer kernels of more than is meant to be one, where a node reads a DequantizeLinear and a
QuantizeLinear comes behind it; on the way it looks through nodes that only move values, and through Relu and Clip:

    Conv, ConvTranspose, Gemm   it rounds the weights itself, per tensor: 26 dB instead of float, and slower (pass
                                WeightBiasQuantization; placement.md §1, trap 1)
    AveragePool, Softmax        QLinear kernels that are 7 to 20 times slower than float
    Add, Mul, Concat, …         integer kernels although the user or the search wants float
    MaxPool behind float nodes  the QuantizeLinear moves in front, and the 8-bit kernel is 50 times slower (trap 5)

The other way round it does not see the integer kernel of a Gemm with float output when a Relu or Clip follows.

LeakyRelu(alpha = 1), the identity, breaks these patterns, and behind a layer it is fused into the float kernel for free. A Relu
behind a layer does it itself as LeakyRelu(alpha = 0).

    layer -> y -> Relu -> … -> Q    becomes  layer -> y -> LeakyRelu(alpha=0) -> … -> Q
    node -> y -> … -> Q             becomes  node -> y_float -> LeakyRelu(alpha=1) -> y -> … -> Q
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import helper

from app.engine.graph.index import GraphIndex
from app.engine.graph.names import Names

REQUANTIZED_BY_THE_RUNTIME = frozenset({"Conv", "ConvTranspose", "Gemm"})
TAKEN_BY_THE_RUNTIME = frozenset(
    {"Add", "AveragePool", "Concat", "GlobalAveragePool", "LeakyRelu", "MatMul", "Mul", "Resize", "Sigmoid", "Softmax", "Where"}
)
"""Become integer kernels when every input is dequantized."""
PASSED = frozenset({"MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""onnxruntime moves QuantizeLinear and DequantizeLinear through these."""


def insert_barriers(model: onnx.ModelProto, kept_in_float: Collection[str]) -> tuple[str, ...]:
    """Edit `model` in place; returns the names of the nodes that got a barrier."""
    graph = model.graph
    index, new = GraphIndex(graph), Names(graph)
    visible = {value.name for value in graph.output}
    guarded = [
        node
        for node in graph.node
        if (_needs_barrier(node, index) if node.name in kept_in_float else _hides_its_integers(node, index))
    ]
    names = {node.name for node in guarded}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node.name not in names:
            continue
        value = node.output[0]
        readers = index.consumers(value)
        if len(readers) == 1 and readers[0].op_type == "Relu" and value not in visible:
            readers[0].op_type = "LeakyRelu"
            readers[0].attribute.append(helper.make_attribute("alpha", 0.0))
        else:
            node.output[0] = new.fresh(f"{value}_float")
            name = new.fresh(f"{node.name}_barrier")
            nodes.append(helper.make_node("LeakyRelu", [node.output[0]], [value], name=name, alpha=1.0))
    rebuilt = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(rebuilt)
    return tuple(node.name for node in guarded)


def _needs_barrier(node: onnx.NodeProto, index: GraphIndex) -> bool:
    origins = [_origin(name, index) for name in node.input if name]
    dequantized = [origin is not None and origin.op_type == "DequantizeLinear" for origin in origins]
    if node.op_type in REQUANTIZED_BY_THE_RUNTIME:
        return dequantized[0] and _quantized_next(node, index, PASSED | {"Clip", "Relu"})
    if node.op_type == "MaxPool":
        return not dequantized[0] and _quantized_next(node, index, PASSED)
    needed = dequantized[:1] if node.op_type == "Resize" else dequantized
    return node.op_type in TAKEN_BY_THE_RUNTIME and all(needed) and _quantized_next(node, index, PASSED | {"Clip", "Relu"})


def _hides_its_integers(node: onnx.NodeProto, index: GraphIndex) -> bool:
    weight = index.producer(node.input[1]) if node.op_type in {"Gemm", "MatMul"} else None
    readers = index.consumers(node.output[0])
    return (
        weight is not None
        and weight.op_type == "DequantizeLinear"
        and len(readers) == 1
        and readers[0].op_type in {"Clip", "Relu"}
        and not _quantized_next(node, index, {"Clip", "Relu"})
    )


def _origin(value: str, index: GraphIndex) -> onnx.NodeProto | None:
    producer = index.producer(value)
    while producer is not None and producer.op_type in PASSED:
        producer = index.producer(producer.input[0])
    return producer


def _quantized_next(node: onnx.NodeProto, index: GraphIndex, passed: Collection[str]) -> bool:
    readers = index.consumers(node.output[0])
    return any(
        reader.op_type == "QuantizeLinear" or (reader.op_type in passed and _quantized_next(reader, index, passed))
        for reader in readers
    )
