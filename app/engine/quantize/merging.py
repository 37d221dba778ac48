"""Rewrite rule: nodes that compute the same become one.

onnxruntime makes Reshape > Gemm > Reshape of a MatMul and its Add on three axes, a Reshape for each; so Q, K and V of an
attention no longer read one value, and would be quantized three times.

    find     deterministic nodes of the main graph with equal operator, attributes and inputs, constants equal by content
    rewrite  readers of the later one read the first one's outputs; graph outputs keep their node
"""

from __future__ import annotations

import onnx

from app.engine.graph.walk import nodes_within

NEVER_EQUAL = frozenset({"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
LARGEST_COMPARED_BYTES = 1024
"""Constants beyond are the same only if they are one: it is shapes and axes that exporters repeat."""


def merge_equal_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Edit `model` (topological order) in place; returns the names of the nodes that are gone."""
    graph = model.graph
    fixed = {value.name for value in graph.output} | _read_by_subgraphs(graph)
    contents = {tensor.name: _content(tensor) for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    first: dict[tuple[object, ...], onnx.NodeProto] = {}
    kept: list[onnx.NodeProto] = []
    gone: list[str] = []
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        mergeable = node.op_type not in NEVER_EQUAL and not fixed & set(node.output)
        twin = first.setdefault(_key(node, contents), node) if mergeable else node
        if twin is node:
            kept.append(node)
        else:
            renamed.update(zip(node.output, twin.output, strict=True))
            gone.append(node.name)
    rebuilt = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(rebuilt)
    return tuple(gone)


def _read_by_subgraphs(graph: onnx.GraphProto) -> set[str]:
    return {name for node in graph.node for inner in nodes_within([node]) if inner is not node for name in inner.input}


def _key(node: onnx.NodeProto, contents: dict[str, object]) -> tuple[object, ...]:
    attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
    inputs = tuple(contents.get(name, name) for name in node.input)
    written = tuple(bool(name) for name in node.output)
    return (node.domain, node.op_type, written, *attributes, *inputs)


def _content(tensor: onnx.TensorProto) -> object:
    """What makes a constant equal to another; its name where that would be many bytes."""
    if tensor.ByteSize() > LARGEST_COMPARED_BYTES:
        return tensor.name
    unnamed = onnx.TensorProto()
    unnamed.CopyFrom(tensor)
    unnamed.name = ""
    return unnamed.SerializeToString(deterministic=True)
