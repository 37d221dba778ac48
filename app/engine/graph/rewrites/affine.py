"""Rewrite rules: a constant factor or offset beside a layer moves into the layer's weights and bias.

    layer    y = W x + b        Conv, ConvTranspose, Gemm, MatMul with constant W
    affine   a v + t            Mul, Div, Add, Sub with a constant; BatchNormalization; a, t per channel or for all

    behind   a (W x + b) + t = (a W) x + (a b + t)          a, t per output channel
    before   W (a x + t) + b = (W a) x + (W t + b)          a, t per input channel

onnxruntime folds Mul, Add and BatchNormalization behind a Conv itself, so what is left is Div, Sub, everything behind Gemm and
MatMul, and everything in front of a layer: nodes without an integer kernel, each 80-120 us in an integer chain (placement.md
§1). In front of a padded Conv only factors move: its padding is 0 behind the offset, which is not 0 before it. MatMul has no
bias and ConvTranspose's taps overlap unevenly at the edge, so offsets stay behind a MatMul and in front of a ConvTranspose.
Left alone: values that others read, too; constants that differ along other axes than channels; constants behind a product or
quotient of two values, with which GELU and normalizations end: the runtime knows these by their last node, and fuses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from app.engine.graph.rewrites.constant_layers import ConstantLayer, constant_layer, store_bias, store_weight
from app.engine.graph.rewrites.editing import GraphEditor, attribute_of, is_standard

EPSILON = 1e-5
"""BatchNormalization's default."""
ONE, ZERO = np.ones(()), np.zeros(())
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Affine:
    """value -> factor value + offset, both () or (C,) float64."""

    value: str
    factor: Array
    offset: Array


def fold_affine_behind(model: onnx.ModelProto) -> tuple[str, ...]:
    """In graph order, so that a chain goes in whole."""
    editor = GraphEditor(model)
    changed: dict[str, None] = {}
    for node in list(editor.nodes):
        for producer in map(editor.producer, node.input[:2]):
            if producer is not None and _fold_behind(editor, producer, node):
                changed[producer.name] = None
                break
    editor.commit()
    return tuple(changed)


def fold_affine_before(model: onnx.ModelProto) -> tuple[str, ...]:
    """Affine nodes all of whose readers are layers; from the last one to the first, so that a chain goes in whole."""
    editor = GraphEditor(model)
    changed: dict[str, None] = {}
    for node in reversed(list(editor.nodes)):
        readers = editor.readers(node.output[0])
        if readers and _fold_before(editor, node, readers):
            changed.update(dict.fromkeys(reader.name for reader in readers))
    editor.commit()
    return tuple(changed)


def affine_of(editor: GraphEditor, node: onnx.NodeProto, axis: int) -> Affine | None:
    """What the node does to its one variable operand, when that is a v + t per position of `axis` (negative: from the end)."""
    if is_standard(node, "BatchNormalization"):
        return _normalization(editor, node) if axis == 1 and len(node.output) == 1 else None
    if not is_standard(node, "Mul", "Div", "Add", "Sub"):
        return None
    first, second = node.input
    swapped = editor.constant(first) is not None
    value, constant = (second, first) if swapped else (first, second)
    k = _per_channel(editor.constant(constant), editor.shape(value), axis)
    if k is None or not editor.is_float32(value):
        return None
    if node.op_type == "Mul":
        return Affine(value, k, ZERO)
    if node.op_type == "Add":
        return Affine(value, ONE, k)
    if node.op_type == "Sub":
        return Affine(value, -ONE, k) if swapped else Affine(value, ONE, -k)
    return None if swapped or not np.all(k) else Affine(value, 1 / k, ZERO)


def _normalization(editor: GraphEditor, node: onnx.NodeProto) -> Affine | None:
    scale, shift, mean, variance = (editor.constant(name) for name in node.input[1:5])
    if scale is None or shift is None or mean is None or variance is None or attribute_of(node, "training_mode", 0):
        return None
    factor = scale / np.sqrt(variance.astype(np.float64) + attribute_of(node, "epsilon", EPSILON))
    return Affine(node.input[0], factor, shift - factor * mean)


def _per_channel(constant: Array | None, shape: tuple[int | None, ...] | None, axis: int) -> Array | None:
    """() for one value or equal ones, or (C,); None unless it broadcasts along all axes of `shape` but `axis`."""
    if constant is None or shape is None or constant.ndim > len(shape) or constant.dtype != np.float32:
        return None
    sizes = (1,) * (len(shape) - constant.ndim) + constant.shape
    if constant.size > 1 and (sizes[axis] != constant.size or sizes[axis] != shape[axis]):
        return None
    values = constant.astype(np.float64).reshape(-1)
    return values[0].reshape(()) if values.size and np.all(values == values[0]) else values


def _fold_behind(editor: GraphEditor, producer: onnx.NodeProto, node: onnx.NodeProto) -> bool:
    layer = constant_layer(editor, producer)
    if layer is None or editor.only_reader(producer.output[0]) is not node:
        return False
    affine = affine_of(editor, node, layer.channel_axis)
    if affine is None or affine.value != producer.output[0] or (np.any(affine.offset) and not layer.has_bias):
        return False
    store_weight(editor, layer, layer.scale_outputs(affine.factor))
    if layer.has_bias:
        store_bias(editor, layer, affine.factor * layer.bias + affine.offset)
    editor.absorb(node, producer)
    return True


def _fold_before(editor: GraphEditor, node: onnx.NodeProto, readers: tuple[onnx.NodeProto, ...]) -> bool:
    folds: list[tuple[ConstantLayer, Affine]] = []
    for reader in readers:
        layer = constant_layer(editor, reader)
        affine = None if layer is None else affine_of(editor, node, layer.channel_axis)
        if layer is None or affine is None or reader.input[0] != node.output[0] or not _takes_offset(layer, affine):
            return False
        if _ends_a_composition(editor, node, layer.channel_axis):
            return False
        folds.append((layer, affine))
    for layer, affine in folds:
        if np.any(affine.offset):
            store_bias(editor, layer, layer.bias + layer.response(affine.offset))
        store_weight(editor, layer, layer.scale_inputs(affine.factor))
    editor.bypass(node, folds[0][1].value)
    return True


def _ends_a_composition(editor: GraphEditor, node: onnx.NodeProto | None, axis: int) -> bool:
    """Whether a chain of Mul, Div, Add, Sub by constants up to this node begins at the product or quotient of two values."""
    while node is not None and not is_standard(node, "BatchNormalization"):
        affine = affine_of(editor, node, axis)
        if affine is None:
            return is_standard(node, "Mul", "Div")
        node = editor.producer(affine.value)
    return False


def _takes_offset(layer: ConstantLayer, affine: Affine) -> bool:
    """Whether the affine's offset, if it has one, is the same as an offset of the layer's output."""
    if not np.any(affine.offset):
        return True
    return layer.node.op_type == "Gemm" or (layer.node.op_type == "Conv" and not layer.padded)
