"""float16 and bfloat16 models widened to float32: every half-precision number is a float32 number, so nothing is lost.

Constants, tensors in attributes, the types that Cast and its like name, and the types of inputs, outputs and inner values all
change; the widened model takes and gives float32.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.graph import walk

HALF = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})
TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_dtype", "stash_type"})
"""Attributes that name an element type."""


def widen_to_float32(model: onnx.ModelProto) -> tuple[str, ...]:
    """Edit in place; names of the constants that were widened ("" for unnamed ones), () for a model without any."""
    widened = []
    for tensor in walk.tensors(model):
        if tensor.data_type in HALF:
            widened.append(tensor.name)
            values = np.asarray(numpy_helper.to_array(tensor), np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in walk.nodes(model):
        for attribute in node.attribute:
            if attribute.name in TYPE_ATTRIBUTES and attribute.i in HALF:
                attribute.i = onnx.TensorProto.FLOAT
    for graph in walk.graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in HALF:
                value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return tuple(widened)
