"""Rewrite rule: keep a float layer between quantized ones really float.

onnxruntime's optimizer quantizes a Conv or Gemm with float weights by itself, per tensor, when it stands between
DequantizeLinear and QuantizeLinear (pass WeightBiasQuantization; placement.md §1, trap 1): 26 dB instead of float, and slower.
LeakyRelu(alpha = 1), the identity, behind the layer breaks that pattern and is fused into the float kernel for free.

    find     nodes kept in float of these types whose output is quantized next (through Relu or Clip, too)
    rewrite  layer -> y  becomes  layer -> y_float -> LeakyRelu(alpha=1) -> y
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import helper

REQUANTIZED_BY_THE_RUNTIME = frozenset({"Conv", "ConvTranspose", "Gemm"})


def insert_barriers(model: onnx.ModelProto, kept_in_float: Collection[str]) -> tuple[str, ...]:
    """Edit `model` in place; returns the names of the layers that got a barrier."""
    graph = model.graph
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    nodes: list[onnx.NodeProto] = []
    guarded: list[str] = []
    for node in graph.node:
        nodes.append(node)
        if node.name in kept_in_float and node.op_type in REQUANTIZED_BY_THE_RUNTIME and node.input[0] in dequantized:
            value = node.output[0]
            node.output[0] = f"{value}_float"
            nodes.append(helper.make_node("LeakyRelu", [node.output[0]], [value], name=f"{node.name}_barrier", alpha=1.0))
            guarded.append(node.name)
    rebuilt = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(rebuilt)
    return tuple(guarded)
