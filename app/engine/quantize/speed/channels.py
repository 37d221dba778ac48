"""Rewrite rule: widen depthwise layers to a multiple of 16 channels with channels of zeros.

onnxruntime's integer depthwise kernel takes 16 channels at a time; a layer of 72 channels falls back to a kernel that is twice
as slow (72 channels, 128 × 128, 3 × 3 on AVX512-VNNI: 1027 µs; 80 channels: 570).

    seed     depthwise Conv with C channels, C not a multiple of 16
    domain   all values tied to its channels (`channel_domains`)
    rewrite  layers that write a value of the domain get rows of zeros, layers that read one get columns of zeros
    exact    new channels hold f(0) and are multiplied by 0; every other number is computed as before

Degenerate inputs: a domain that reaches a graph output, a Concat or the like is left as it is; so is one that would more than
double.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.graph.index import GraphIndex
from app.engine.quantize.speed.channel_domains import ChannelDomain, depthwise_channels

LANES = 16
MOST_GROWTH = 2.0
"""Of the channels: beyond, the zeros cost more than the better kernel saves."""


def pad_channels(model: onnx.ModelProto) -> tuple[str, ...]:
    """Edit `model` in place; returns the names of the depthwise layers that were widened."""
    widened: list[str] = []
    for node in list(model.graph.node):
        index = GraphIndex(model.graph)
        channels = depthwise_channels(node, index)
        if channels is None or channels % LANES == 0:
            continue
        target = -(-channels // LANES) * LANES
        domain = ChannelDomain(model.graph, index, channels)
        if target <= MOST_GROWTH * channels and domain.reach(node.input[0]):
            _widen(domain, index, target - channels)
            widened += domain.depthwise
    if widened:
        del model.graph.value_info[:]  # the shapes of the domains have changed
    return tuple(widened)


def _widen(domain: ChannelDomain, index: GraphIndex, more: int) -> None:
    for name, axis, is_scale in list(domain.constants()):
        tensor = index.initializer(name)
        assert tensor is not None
        tensor.CopyFrom(_padded(tensor, axis, more, repeat=is_scale))
    for node in domain.depthwise.values():
        for attribute in node.attribute:
            if attribute.name == "group":
                attribute.i += more


def _padded(tensor: onnx.TensorProto, axis: int, more: int, *, repeat: bool) -> onnx.TensorProto:
    """With zeros; with the last entry repeated where 0 is not allowed."""
    values = numpy_helper.to_array(tensor)
    widths = [(0, more if position == axis else 0) for position in range(values.ndim)]
    return numpy_helper.from_array(np.pad(values, widths, mode="edge" if repeat else "constant"), tensor.name)
