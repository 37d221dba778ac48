"""Rewrite rules: pieces of straight lines become the operators that are folded into a layer or have an integer kernel.

    Max(x, c), Min(x, c), Relu, Clip, one behind the other     -> one Clip, or Relu for the limits 0 and infinity
    PRelu(x; slope), the same slope for every channel          -> LeakyRelu(alpha = slope)

    clip_2(clip_1(x; l, h)) = clip(x; clip_2(l), clip_2(h))    since clip_2 never falls

onnxruntime folds Relu and Clip into the layer in front of them; Min, Max and PRelu are float nodes of their own.
Left alone: limits or slopes that differ, or that widen the value; steps that others read.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from app.engine.graph.rewrites.editing import GraphEditor, is_standard

Limits = tuple[float, float]


def merge_limits(model: onnx.ModelProto) -> tuple[str, ...]:
    editor = GraphEditor(model)
    made: list[str] = []
    for node in list(editor.nodes):
        own = _limited(editor, node)
        if own is None:
            continue
        producer = editor.producer(own[0])
        first = _limited(editor, producer) if producer is not None and editor.only_reader(own[0]) is not None else None
        if first is not None:
            limits = _clip(first[1][0], own[1]), _clip(first[1][1], own[1])
            new = _limiter(editor, first[0], limits, node)
            editor.replace([producer, node], [new])
        elif is_standard(node, "Max", "Min"):
            new = _limiter(editor, *own, node)
            editor.replace([node], [new])
        else:
            continue
        made.append(new.name)
    editor.commit()
    return tuple(made)


def uniform_slopes(model: onnx.ModelProto) -> tuple[str, ...]:
    editor = GraphEditor(model)
    made: list[str] = []
    for node in list(editor.nodes):
        slope = editor.constant(node.input[1]) if is_standard(node, "PRelu") else None
        shape = editor.shape(node.input[0])
        if slope is None or shape is None or slope.ndim > len(shape) or not slope.size or np.any(slope != slope.flat[0]):
            continue
        alpha = float(slope.flat[0])
        editor.replace([node], [helper.make_node("LeakyRelu", [node.input[0]], list(node.output), name=node.name, alpha=alpha)])
        made.append(node.name)
    editor.commit()
    return tuple(made)


def _limited(editor: GraphEditor, node: onnx.NodeProto) -> tuple[str, Limits] | None:
    """The float32 value that the node clips, and its limits."""
    if not is_standard(node, "Relu", "Clip", "Max", "Min"):
        return None
    operands = [name for name in node.input if name and editor.constant(name) is None]
    if len(operands) != 1 or not editor.is_float32(operands[0]):
        return None
    if node.op_type == "Relu":
        return operands[0], (0.0, np.inf)
    if node.op_type == "Clip":
        low, high = (editor.scalar(name) if name else limit for name, limit in _clip_inputs(node))
        return None if low is None or high is None or low > high else (operands[0], (low, high))
    others = [name for name in node.input if name != operands[0]]
    limit = editor.scalar(others[0]) if len(others) == 1 else None
    if limit is None or len(editor.shape(others[0]) or ()) > len(editor.shape(operands[0]) or ()):
        return None
    return operands[0], ((limit, np.inf) if node.op_type == "Max" else (-np.inf, limit))


def _clip_inputs(node: onnx.NodeProto) -> list[tuple[str, float]]:
    names = [*node.input[1:], "", ""][:2]
    return list(zip(names, (-np.inf, np.inf), strict=True))


def _clip(value: float, limits: Limits) -> float:
    return min(max(value, limits[0]), limits[1])


def _limiter(editor: GraphEditor, value: str, limits: Limits, node: onnx.NodeProto) -> onnx.NodeProto:
    if limits == (0.0, np.inf):
        return helper.make_node("Relu", [value], list(node.output), name=node.name)
    bounds = [
        editor.add_constant(f"{node.name}_{name}", np.asarray(limit, np.float32)) if np.isfinite(limit) else ""
        for name, limit in zip(("low", "high"), limits, strict=True)
    ]
    return helper.make_node("Clip", [value, *bounds], list(node.output), name=node.name)
