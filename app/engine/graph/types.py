"""Types and shapes of every value, inferred without copying the weights."""

from __future__ import annotations

import onnx

LARGEST_SHAPE = 4096
"""Elements of a constant that may be a shape, axes or limits, which inference has to read; larger ones are only declared."""


def infer_types(model: onnx.ModelProto) -> None:
    """Fill `graph.value_info` anew. onnx infers on serialized bytes, so a model over 2 GB would not pass with its weights."""
    outline = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = outline.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.initializer.extend(_declared(tensor) for tensor in model.graph.initializer)
    inferred = onnx.shape_inference.infer_shapes(outline)
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)


def _declared(tensor: onnx.TensorProto) -> onnx.TensorProto:
    size = 1
    for dim in tensor.dims:
        size *= dim
    if size <= LARGEST_SHAPE:
        return tensor
    return onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
