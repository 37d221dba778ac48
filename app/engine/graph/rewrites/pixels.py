"""8-bit pixels in front of the first layers, so that INT8 loses nothing of them.

    p     pixel, 0..255, an integer
    v     input of the graph, v = s p + o      by the preprocessing outside: s, o (0-d), None when channels differ
    x     what the first layers read, x = a v + t      by scalar Mul, Div, Add, Sub nodes inside the graph, often none
    c     -t / a, the input that becomes x = 0
    z     (c - o) / s, the pixel that becomes x = 0

x = a s (p - z): on a grid with scale a s and zero point z, INT8 holds x without any error when z is an integer, and zero
padding is code z. With z = 127.5, the usual (p/255 - 0.5)/0.5, every pixel lies half a step off (MobileNet-v2: 1.15 dB of the
output, accuracy.md §2 rule 2).

`center_pixels` is the rewrite rule for such z: z' = floor(z), c' = s z' + o,

    W x + b  =  (a W)(v - c')  +  (a W)(c' - c) 1  +  b

one Sub in front, a in the weights and the shift in the bias. Exact where the kernel sees pixels only; where it covers zero
padding, the padding is pixel z' in place of z, half a pixel off. So it is for the INT8 graph alone and not for the FP32 file
that INT8 is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from app.engine.graph.rewrites.affine import affine_of
from app.engine.graph.rewrites.constant_layers import ConstantLayer, constant_layer, store_bias, store_weight
from app.engine.graph.rewrites.editing import GraphEditor, attribute_of, is_standard

LARGEST_PIXEL = 255
NEARLY = 1e-3
"""Pixels by which z may miss an integer: float32 rounding of mean and scale."""


@dataclass(frozen=True)
class PixelScale:
    """Graph input = scale p + offset."""

    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class PixelGrid:
    """On which `value` holds every 8-bit pixel exactly: value = scale (p - zero_point)."""

    value: str
    scale: float
    zero_point: int


@dataclass(frozen=True)
class _Front:
    """x = factor v + offset, computed by `nodes` (in order)."""

    v: str
    nodes: tuple[onnx.NodeProto, ...]
    factor: float
    offset: float

    @property
    def x(self) -> str:
        return self.nodes[-1].output[0] if self.nodes else self.v

    def zero_pixel(self, pixels: PixelScale) -> float:
        return (-self.offset / self.factor - pixels.offset) / pixels.scale


def pixel_grid(model: onnx.ModelProto, pixels: PixelScale) -> PixelGrid | None:
    """The exact grid of what the first layers read; None when there is none."""
    front = _front(GraphEditor(model))
    if front is None:
        return None
    zero = front.zero_pixel(pixels)
    scale = front.factor * pixels.scale
    exact = abs(zero - round(zero)) <= NEARLY and 0 <= round(zero) <= LARGEST_PIXEL and scale > 0
    return PixelGrid(front.x, scale, round(zero)) if exact else None


def center_pixels(model: onnx.ModelProto, pixels: PixelScale) -> tuple[str, ...]:
    """Names of the Sub and the layers; () when the grid is exact already or no layer can take the shift."""
    editor = GraphEditor(model)
    front = _front(editor)
    if front is None:
        return ()
    zero = front.zero_pixel(pixels)
    layers = _first_layers(editor, front.x)
    if not layers or abs(zero - round(zero)) <= NEARLY or not 0 <= zero <= LARGEST_PIXEL or front.factor <= 0:
        return ()
    center = pixels.scale * np.floor(zero) + pixels.offset
    shift = np.asarray(center + front.offset / front.factor)
    subtract = helper.make_node(
        "Sub",
        [front.v, editor.add_constant("pixel_center", np.asarray(center, np.float32))],
        [editor.unique("pixels_centered")],
        name=editor.unique("center_pixels"),
    )
    for layer in layers:
        scaled = ConstantLayer(layer.node, layer.weight * front.factor, layer.bias)
        store_bias(editor, layer, layer.bias + scaled.response(shift))
        store_weight(editor, layer, scaled.weight)
        editor.set_input(layer.node, 0, subtract.output[0])
    editor.insert_before(layers[0].node, subtract)
    editor.remove(front.nodes)
    editor.commit()
    return (subtract.name, *(layer.node.name for layer in layers))


def _front(editor: GraphEditor) -> _Front | None:
    """None when the graph has several inputs or they are no images."""
    value = editor.only_input()
    if value is None or len(editor.shape(value) or ()) != 4:
        return None
    reader = editor.only_reader(value)
    while reader is not None and (is_standard(reader, "Transpose") or _casts_to_float(reader)):
        value = reader.output[0]
        reader = editor.only_reader(value)
    front = _Front(value, (), 1.0, 0.0)
    while reader is not None:
        affine = affine_of(editor, reader, 1)
        if affine is None or affine.factor.ndim or affine.offset.ndim or not affine.factor:
            break
        factor, offset = float(affine.factor), float(affine.offset)
        front = _Front(value, (*front.nodes, reader), front.factor * factor, front.offset * factor + offset)
        reader = editor.only_reader(front.x)
    return front


def _casts_to_float(node: onnx.NodeProto) -> bool:
    return is_standard(node, "Cast") and attribute_of(node, "to") == onnx.TensorProto.FLOAT


def _first_layers(editor: GraphEditor, x: str) -> list[ConstantLayer]:
    """Every reader of x, when all of them are convolutions with constant weights."""
    readers = editor.readers(x) or ()
    layers = [constant_layer(editor, reader) for reader in readers]
    convolutions = [layer for layer in layers if layer is not None and layer.node.op_type == "Conv"]
    return convolutions if len(convolutions) == len(readers) else []
