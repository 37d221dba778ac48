"""What the quantized file does with the image before its first convolution. Both edits are exact.

`pad_stem`            3 channels become 4, the fourth with weights 0: integer kernels read 4 bytes at a time, and with a row of
                      3 kH kW they take twice as long (stem of MobileNet-v2: 430 against 215 us, placement.md §5). It costs a
                      copy of the image, so it is worth a try, not always a gain.

    image -> QuantizeLinear -> q -> DequantizeLinear -> Conv(W)                            (N, 3, H, W)
    image -> QuantizeLinear -> q -> Pad(one channel) -> DequantizeLinear -> Conv(W, 0)     (N, 4, H, W)

`absorb_affine`       scalar Sub, Mul and the like in front of QuantizeLinear go into its scale and zero point:

    x = a v + t,  q = round(x / s) + z  =  round(v / (s / a)) + (z + t / s)      when t / s is an integer

                      With pixels centered on an integer this reads them as they are: scale 1, zero point 0.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from app.engine.graph.rewrites.affine import affine_of
from app.engine.graph.rewrites.editing import GraphEditor, attribute_of, is_standard
from app.engine.graph.types import infer_types

CHANNELS, PADDED = 3, 4
NEARLY = 1e-3
"""Steps by which t / s may miss an integer: float32 rounding of scales."""


def pad_stem(model: onnx.ModelProto) -> bool:
    """Edit a quantized model in place; False when it has no such first convolution and stays as it is."""
    infer_types(model)
    editor = GraphEditor(model)
    for node in editor.nodes:
        dequantize = editor.only_reader(node.output[0]) if is_standard(node, "QuantizeLinear") else None
        shape = editor.shape(node.input[0]) if dequantize is not None else None
        if dequantize is None or shape is None or len(shape) != 4 or shape[1] != CHANNELS:
            continue
        weights = _weights(editor, dequantize)
        if weights:
            _insert_pad(editor, node, dequantize)
            _pad_weights(editor, weights)
            editor.commit()
            infer_types(model)
            return True
    return False


def absorb_affine(model: onnx.ModelProto) -> tuple[str, ...]:
    """Edit a quantized model in place; names of the nodes that went into a QuantizeLinear."""
    infer_types(model)
    editor = GraphEditor(model)
    absorbed: list[str] = []
    for node in list(editor.nodes):
        while is_standard(node, "QuantizeLinear") and (affine := _absorb(editor, node)) is not None:
            absorbed.append(affine)
    editor.commit()
    infer_types(model)
    return tuple(absorbed)


def _absorb(editor: GraphEditor, quantize: onnx.NodeProto) -> str | None:
    """One node, the one in front."""
    node = editor.producer(quantize.input[0])
    affine = affine_of(editor, node, 1) if node is not None else None
    scale, zero = editor.scalar(quantize.input[1]), editor.scalar(quantize.input[2])
    if node is None or affine is None or scale is None or zero is None or editor.only_reader(node.output[0]) is None:
        return None
    if affine.factor.ndim or affine.offset.ndim or affine.factor <= 0:
        return None
    shifted = zero + float(affine.offset) / scale
    if abs(shifted - round(shifted)) > NEARLY or not 0 <= round(shifted) <= 255:
        return None
    name, absorbed = quantize.name, str(node.name)
    editor.bypass(node, affine.value)
    editor.set_input(quantize, 1, editor.add_constant(f"{name}_scale", np.asarray(scale / affine.factor, np.float32)))
    editor.set_input(quantize, 2, editor.add_constant(f"{name}_zero_point", np.asarray(round(shifted), np.uint8)))
    return absorbed


def _weights(editor: GraphEditor, dequantize: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The DequantizeLinear of each reader's weight; [] unless all readers are ungrouped convolutions of integer constants."""
    found = []
    for reader in editor.readers(dequantize.output[0]) or ():
        weight = editor.producer(reader.input[1]) if is_standard(reader, "Conv") else None
        if weight is None or reader.input[0] != dequantize.output[0] or attribute_of(reader, "group", 1) != 1:
            return []
        if not is_standard(weight, "DequantizeLinear") or editor.constant(weight.input[0]) is None:
            return []
        found.append(weight)
    return found


def _pad_weights(editor: GraphEditor, weights: list[onnx.NodeProto]) -> None:
    """(C_out, 3, kH, kW) -> (C_out, 4, kH, kW); scales per output channel stay."""
    for weight in weights:
        values = editor.constant(weight.input[0])
        assert values is not None
        widened = np.pad(values, [(0, 0), (0, PADDED - CHANNELS), (0, 0), (0, 0)])
        editor.set_input(weight, 0, editor.add_constant(f"{weight.input[0]}_padded", widened))


def _insert_pad(editor: GraphEditor, quantize: onnx.NodeProto, dequantize: onnx.NodeProto) -> None:
    """Behind QuantizeLinear, where a value is one byte."""
    pads = editor.add_constant("stem_pads", np.array([0, 0, 0, 0, 0, PADDED - CHANNELS, 0, 0], np.int64))
    padded = editor.unique(f"{quantize.output[0]}_padded")
    pad = helper.make_node("Pad", [quantize.output[0], pads], [padded], name=editor.unique("stem_pad"))
    editor.insert_before(dequantize, pad)
    editor.set_input(dequantize, 0, padded)
