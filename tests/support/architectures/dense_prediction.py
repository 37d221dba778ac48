"""Networks that answer per pixel or per box."""

from __future__ import annotations

import numpy as np
import onnx

from tests.support.architectures.network import Network

IMAGE = (3, 32, 32)
CLASSES = 4


def unet_transposed() -> onnx.ModelProto:
    """U-Net: transposed convolutions up, skips by Concat."""
    return _unet("unet_transposed", 20, ("transposed", "transposed"))


def unet_resize() -> onnx.ModelProto:
    """U-Net: nearest and bilinear Resize up, skips by Concat, mask resized at the end."""
    return _unet("unet_resize", 21, ("nearest", "linear"))


def _unet(name: str, seed: int, ways_up: tuple[str, ...]) -> onnx.ModelProto:
    net = Network(name, IMAGE, seed=seed)
    skips = []
    x = net.input
    for channels in (8, 16):
        x = net.relu(net.conv(net.relu(net.conv(x, channels)), channels))
        skips.append(x)
        x = net.max_pool(x)
    x = net.relu(net.conv(x, 32))
    for way, skip in zip(ways_up, reversed(skips), strict=True):
        up = net.conv_transpose(x, net.channels(skip)) if way == "transposed" else resize(net, x, way)
        x = net.relu(net.conv(net.concat(up, skip), net.channels(skip)))
    return net.model([net.conv(x, CLASSES, 1)])


def resize(net: Network, x: str, mode: str, factor: int = 2) -> str:
    scales = net.constant([1, 1, factor, factor])
    if mode == "nearest":
        return net.node("Resize", x, "", scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    return net.node("Resize", x, "", scales, mode=mode, coordinate_transformation_mode="half_pixel")


def super_resolution() -> onnx.ModelProto:
    """ESPCN/EDSR: residual blocks without normalization, PixelShuffle, the enlarged input added at the end."""
    net = Network("super_resolution", IMAGE, seed=22)
    first = x = net.conv(net.input, 16)
    for _ in range(2):
        x = net.add(x, net.conv(net.relu(net.conv(x, 16)), 16, gain=0.5))
    x = net.add(first, net.conv(x, 16, gain=0.5))
    detail = net.declare(net.conv(x, 12, gain=0.01), 12)
    shuffled = net.declare(net.node("DepthToSpace", detail, blocksize=2, mode="CRD"), 3)
    return net.model(
        [net.node("Clip", net.node("Add", shuffled, resize(net, net.input, "linear")), net.constant(0), net.constant(1))]
    )


def style_transfer() -> onnx.ModelProto:
    """Reflection padding, InstanceNormalization, nearest Resize, Tanh: an image out of an image."""
    net = Network("style_transfer", IMAGE, seed=26)

    def block(x: str, channels: int, stride: int = 1) -> str:
        padded = net.node("Pad", x, net.constant([0, 0, 1, 1, 0, 0, 1, 1], int), mode="reflect")
        y = net.conv(padded, channels, stride=stride, bias=False, padded=False)
        scale, bias = net.rng.uniform(0.5, 1.5, channels), net.rng.normal(0, 0.2, channels)
        return net.declare(net.node("InstanceNormalization", y, net.constant(scale), net.constant(bias)), channels)

    x = net.relu(block(net.relu(block(net.input, 16)), 24, stride=2))
    x = net.node("Add", x, block(net.relu(block(x, 24)), 24))
    x = net.relu(block(resize(net, x, "nearest"), 16))
    return net.model([net.node("Tanh", net.conv(x, 3, gain=0.3))])


def csp_detector() -> onnx.ModelProto:
    """YOLOv5: SiLU everywhere, CSP blocks, SPP by chained max pools, raw maps as output."""
    net = Network("csp_detector", IMAGE, seed=23)
    x = net.silu(net.conv(net.input, 16, 6, stride=2))
    x = _csp(net, net.silu(net.conv(x, 24, stride=2)), 24)
    inner = net.silu(net.conv(x, 12, 1))
    pools = [inner]
    for _ in range(3):
        pools.append(net.max_pool(pools[-1], 5, 1))
    x = net.silu(net.conv(net.concat(*pools), 24, 1))
    return net.model([net.conv(x, 5 + CLASSES, 1)])


def _csp(net: Network, x: str, channels: int) -> str:
    left = net.silu(net.conv(x, channels // 2, 1))
    right = net.silu(net.conv(x, channels // 2, 1))
    left = net.add(left, net.silu(net.conv(net.silu(net.conv(left, channels // 2, 1)), channels // 2)))
    return net.silu(net.conv(net.concat(left, right), channels, 1))


def fpn_detector() -> onnx.ModelProto:
    """Two pyramid levels; boxes in pixels (sigmoid centres, exp sizes) and sigmoid scores in ONE output, as exported."""
    net = Network("fpn_detector", IMAGE, seed=24)
    high = net.relu(net.conv(net.relu(net.conv(net.input, 16, stride=2)), 24, stride=2))
    low = net.relu(net.conv(high, 32, stride=2))
    top = net.conv(low, 16, 1)
    side = net.add(net.conv(high, 16, 1), resize(net, top, "nearest"))
    rows = [_decoded(net, net.relu(net.conv(level, 16)), 32 // stride, stride) for level, stride in ((side, 4), (top, 8))]
    return net.model([net.concat(*rows, axis=1)])


def _decoded(net: Network, x: str, side: int, stride: int) -> str:
    """(N, cells, 4 + 1 + classes): x, y, w, h in pixels, then scores."""
    raw = net.conv(x, 5 + CLASSES, 1, gain=0.5)
    raw = net.node("Reshape", raw, net.constant([0, 5 + CLASSES, side * side], int))
    raw = net.node("Transpose", raw, perm=[0, 2, 1])
    centre = net.node("Split", raw, net.constant([2, 2, 1 + CLASSES], int), outputs=3, axis=2)
    size, scores = f"{centre}_1", f"{centre}_2"
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(1, -1, 2)
    centre = net.node("Mul", net.node("Add", net.node("Sigmoid", centre), net.constant(grid)), net.constant(stride))
    size = net.node("Mul", net.node("Exp", size), net.constant(2.0 * stride))
    shifted = net.node("Add", scores, net.constant(-3))
    y = net.node("Concat", centre, size, net.node("Sigmoid", shifted), axis=2)
    return net.declare(y, side * side)


def dfl_detector() -> onnx.ModelProto:
    """YOLOv8: box sides as expectations over 8 bins (Softmax, Conv with weights 0..7); boxes and scores in one output."""
    net = Network("dfl_detector", IMAGE, seed=25)
    bins, side = 8, 8
    x = net.silu(net.conv(net.silu(net.conv(net.input, 16, stride=2)), 24, stride=2))
    x = _csp(net, x, 24)
    boxes = net.conv(net.silu(net.conv(x, 16)), 4 * bins, 1)
    scores = net.conv(net.silu(net.conv(x, 16)), CLASSES, 1)
    boxes = net.node("Reshape", boxes, net.constant([0, 4, bins, side * side], int))
    boxes = net.node("Softmax", net.node("Transpose", boxes, perm=[0, 2, 1, 3]), axis=1)
    weight = net.constant(np.arange(bins).reshape(1, bins, 1, 1))
    boxes = net.node("Reshape", net.node("Conv", boxes, weight), net.constant([0, 4, side * side], int))
    near = net.node("Slice", boxes, *(net.constant([k], int) for k in (0, 2, 1)))
    far = net.node("Slice", boxes, *(net.constant([k], int) for k in (2, 4, 1)))
    anchors = net.constant(np.stack(np.meshgrid(np.arange(side), np.arange(side))).reshape(1, 2, -1) + 0.5)
    corners = net.node("Concat", net.node("Sub", anchors, near), net.node("Add", far, anchors), axis=1)
    pixels = net.node("Mul", corners, net.constant(4))
    flat = net.node("Reshape", scores, net.constant([0, CLASSES, side * side], int))
    return net.model([net.declare(net.node("Concat", pixels, net.node("Sigmoid", flat), axis=1), 4 + CLASSES)])
