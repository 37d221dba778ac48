"""Rewrite rules: averages over space become operators that have a fast integer kernel.

    ReduceMean(x; H, W), AveragePool with the window H x W    -> GlobalAveragePool (and Flatten when the axes were dropped)
    AveragePool(x; k_h x k_w)                                 -> depthwise Conv with all weights 1 / (k_h k_w)

onnxruntime has no integer ReduceMean (188 against 11 us, placement.md §5), and its QLinearAveragePool takes twenty times as
long as the float one; a depthwise Conv of equal weights loses nothing in INT8 (every weight is 127 times its scale) and is no
slower in FP32, where it is fused with its neighbours.

A Conv divides by k_h k_w everywhere, so an average that leaves padding out (count_include_pad = 0 with padding) stays, and so
does one whose last window may hang over the edge (ceil_mode = 1), unless the sizes show that it does not.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from app.engine.graph.rewrites.editing import GraphEditor, attribute_of, ints_of, is_standard, pads_itself

RANK = 4
"""Batch, channels, height, width: what the integer kernels are made for."""


def globalize_averages(model: onnx.ModelProto) -> tuple[str, ...]:
    editor = GraphEditor(model)
    made: list[str] = []
    for node in list(editor.nodes):
        if _averages_everything(editor, node):
            new = _global_average(editor, node, keep_axes=not _drops_axes(node))
            editor.replace([node], new)
            made += [added.name for added in new]
    editor.commit()
    return tuple(made)


def convolve_averages(model: onnx.ModelProto) -> tuple[str, ...]:
    editor = GraphEditor(model)
    made: list[str] = []
    for node in list(editor.nodes):
        shape = editor.shape(node.input[0]) if is_standard(node, "AveragePool") else None
        if shape is not None and len(shape) == RANK and shape[1] and editor.is_float32(node.input[0]):
            if not _divides_by_window(node, shape):
                continue
            editor.replace([node], [_convolution(editor, node, channels=shape[1])])
            made.append(node.name)
    editor.commit()
    return tuple(made)


def _averages_everything(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    """Whether the node is the mean over height and width of a float32 value of rank 4."""
    shape = editor.shape(node.input[0]) if node.input else None
    if shape is None or len(shape) != RANK or not editor.is_float32(node.input[0]):
        return False
    if is_standard(node, "ReduceMean"):
        axes = ints_of(node, "axes")
        if len(node.input) > 1 and node.input[1]:
            constant = editor.constant(node.input[1])
            axes = [] if constant is None else [int(axis) for axis in constant.reshape(-1)]
        return sorted(axis % RANK for axis in axes) == [2, 3]
    if is_standard(node, "AveragePool"):
        padded = any(ints_of(node, "pads")) or pads_itself(node)
        dilated = any(step != 1 for step in ints_of(node, "dilations"))
        return not padded and not dilated and tuple(ints_of(node, "kernel_shape")) == shape[2:]
    return False


def _drops_axes(node: onnx.NodeProto) -> bool:
    return node.op_type == "ReduceMean" and bool(attribute_of(node, "keepdims", 1) == 0)


def _global_average(editor: GraphEditor, node: onnx.NodeProto, *, keep_axes: bool) -> list[onnx.NodeProto]:
    value, result = node.input[0], node.output[0]
    if keep_axes:
        return [helper.make_node("GlobalAveragePool", [value], [result], name=node.name)]
    pooled = editor.unique(f"{result}_pooled")
    flatten = helper.make_node("Flatten", [pooled], [result], name=editor.unique(f"{node.name}_flatten"), axis=1)
    return [helper.make_node("GlobalAveragePool", [value], [pooled], name=node.name), flatten]


def _divides_by_window(node: onnx.NodeProto, shape: tuple[int | None, ...]) -> bool:
    """Whether every output is the sum over its window, padding as zeros, over k_h k_w."""
    padded = any(ints_of(node, "pads"))
    if pads_itself(node):
        return False
    if padded and not attribute_of(node, "count_include_pad", 0):
        return False
    return not int(attribute_of(node, "ceil_mode", 0)) or _fits_evenly(node, shape)


def _fits_evenly(node: onnx.NodeProto, shape: tuple[int | None, ...]) -> bool:
    """Whether the windows end exactly at the (padded) edge, so that rounding their number up changes nothing."""
    kernel = ints_of(node, "kernel_shape")
    strides, dilations = ints_of(node, "strides", [1, 1]), ints_of(node, "dilations", [1, 1])
    pads = ints_of(node, "pads", [0] * 4)
    for axis, size in enumerate(shape[2:]):
        if size is None:
            return False
        room = size + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1
        if room % strides[axis]:
            return False
    return True


def _convolution(editor: GraphEditor, node: onnx.NodeProto, channels: int) -> onnx.NodeProto:
    kernel = ints_of(node, "kernel_shape")
    weight = np.full((channels, 1, *kernel), 1 / np.prod(kernel), np.float32)
    return helper.make_node(
        "Conv",
        [node.input[0], editor.add_constant(f"{node.name}_weight", weight)],
        list(node.output),
        name=node.name,
        kernel_shape=kernel,
        strides=ints_of(node, "strides", [1, 1]),
        pads=ints_of(node, "pads", [0] * 4),
        dilations=ints_of(node, "dilations", [1, 1]),
        group=channels,
    )
