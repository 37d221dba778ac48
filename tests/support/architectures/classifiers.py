"""Convolutional classifiers, each of one family's real blocks."""

from __future__ import annotations

import onnx

from tests.support.architectures.network import Network

IMAGE = (3, 32, 32)


def residual(*, batch_norm: bool = False, opset: int = 17) -> onnx.ModelProto:
    """ResNet: basic blocks, one with a strided projection; BatchNorm folded into the convolutions or not."""
    net = Network("residual", IMAGE, seed=1, opset=opset)

    def conv(x: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
        y = net.conv(x, channels, kernel, stride=stride, bias=not batch_norm)
        return net.batch_norm(y) if batch_norm else y

    x = net.max_pool(net.relu(conv(net.input, 16)))
    x = net.relu(net.add(x, conv(net.relu(conv(x, 16)), 16)))
    shortcut = conv(x, 32, 1, stride=2)
    x = net.relu(net.add(shortcut, conv(net.relu(conv(x, 32, stride=2)), 32)))
    return net.model([net.head(x)])


def residual_batch_norm() -> onnx.ModelProto:
    return residual(batch_norm=True)


def dense() -> onnx.ModelProto:
    """DenseNet: every layer reads the Concat of all before it; BatchNorm and Relu in front of each convolution."""
    net = Network("dense", IMAGE, seed=2)
    x = net.conv(net.input, 16)
    for _ in range(3):
        inner = net.conv(net.relu(net.batch_norm(x)), 24, 1, bias=False)
        x = net.concat(x, net.conv(net.relu(net.batch_norm(inner)), 8, bias=False))
    x = net.conv(net.relu(net.batch_norm(x)), 24, 1)
    x = net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return net.model([net.head(net.relu(net.conv(x, 32)))])


def inception() -> onnx.ModelProto:
    """Parallel branches: 1x1, 1x1-3x3, 1x7-7x1, average pool, max pool of stride 1."""
    net = Network("inception", IMAGE, seed=3)
    x = net.max_pool(net.relu(net.conv(net.input, 16)))
    for _ in range(2):
        point = net.relu(net.conv(x, 8, 1))
        square = net.relu(net.conv(net.relu(net.conv(x, 8, 1)), 16))
        thin = net.relu(net.conv(net.relu(net.conv(x, 8, (1, 7))), 8, (7, 1)))
        average = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, count_include_pad=1)
        pooled = net.relu(net.conv(average, 8, 1))
        strongest = net.relu(net.conv(net.max_pool(x, 3, 1), 8, 1))
        x = net.concat(point, square, thin, pooled, strongest)
    return net.model([net.head(x)])


def squeeze_excite() -> onnx.ModelProto:
    """SE-ResNet: sigmoid gates inside residual blocks."""
    net = Network("squeeze_excite", IMAGE, seed=4)
    x = net.relu(net.conv(net.input, 16, stride=2))
    for _ in range(2):
        x = net.relu(net.add(x, net.squeeze_excite(net.conv(net.relu(net.conv(x, 16)), 16))))
    return net.model([net.head(x)])


def mobilenet_v2() -> onnx.ModelProto:
    """Inverted residuals: expand 1x1, depthwise 3x3, ReLU6, linear projection, all with loud and dead channels."""
    net = Network("mobilenet_v2", IMAGE, seed=5)
    x = net.relu6(net.conv(net.input, 16, stride=2))
    for channels, stride in ((16, 1), (24, 2), (24, 1)):
        wide = 3 * net.channels(x)
        inner = net.relu6(net.conv(x, wide, 1))
        inner = net.relu6(net.conv(inner, wide, 3, groups=wide, stride=stride))
        y = net.conv(inner, channels, 1, gain=1.0)
        x = net.add(x, y) if stride == 1 and channels == net.channels(x) else y
    return net.model([net.head(net.relu6(net.conv(x, 64, 1)))])


def mobilenet_v3(*, decomposed: bool = False) -> onnx.ModelProto:
    """Hard-swish, 5x5 depthwise, squeeze-and-excite with a hard-sigmoid gate; hard-swish also spelled out."""
    net = Network("mobilenet_v3", IMAGE, seed=6, opset=13 if decomposed else 17)
    x = net.hard_swish(net.conv(net.input, 16, stride=2), decomposed=decomposed)
    for kernel, stride in ((3, 1), (5, 2), (5, 1)):
        inner = net.hard_swish(net.conv(x, 32, 1), decomposed=decomposed)
        inner = net.hard_swish(net.conv(inner, 32, kernel, groups=32, stride=stride), decomposed=decomposed)
        y = net.conv(net.squeeze_excite(inner, gate="HardSigmoid"), 16, 1, gain=1.0)
        x = net.add(x, y) if stride == 1 else y
    x = net.hard_swish(net.conv(x, 48, 1), decomposed=decomposed)
    return net.model([net.head(x)])


def mobilenet_v3_decomposed() -> onnx.ModelProto:
    return mobilenet_v3(decomposed=True)


def efficientnet() -> onnx.ModelProto:
    """MBConv with SiLU and sigmoid-gated squeeze-and-excite."""
    net = Network("efficientnet", IMAGE, seed=7)
    x = net.silu(net.conv(net.input, 16, stride=2))
    for stride in (1, 2):
        inner = net.silu(net.conv(x, 48, 1))
        inner = net.silu(net.conv(inner, 48, 3, groups=48, stride=stride))
        y = net.conv(net.squeeze_excite(inner), 16, 1, gain=1.0)
        x = net.add(x, y) if stride == 1 else y
    return net.model([net.head(net.silu(net.conv(x, 48, 1)))])


def grouped_dilated() -> onnx.ModelProto:
    """ResNeXt bottlenecks of 4 groups, then DeepLab's parallel dilated convolutions."""
    net = Network("grouped_dilated", IMAGE, seed=8)
    x = net.relu(net.conv(net.input, 16, stride=2))
    for _ in range(2):
        inner = net.relu(net.conv(net.relu(net.conv(x, 32, 1)), 32, groups=4))
        x = net.relu(net.add(x, net.conv(inner, 16, 1)))
    x = net.concat(*(net.relu(net.conv(x, 16, dilation=rate)) for rate in (1, 2, 4)))
    return net.model([net.head(net.relu(net.conv(x, 32, 1)))])


def shufflenet() -> onnx.ModelProto:
    """ShuffleNet v2: Split, a branch of 1x1 - depthwise - 1x1, Concat, channel shuffle by Reshape - Transpose - Reshape."""
    net = Network("shufflenet", IMAGE, seed=9, spread=False)
    x = net.relu(net.conv(net.input, 32, stride=2))
    for _ in range(2):
        left = net.node("Split", x, net.constant([16, 16], int), outputs=2, axis=1)
        right = net.declare(f"{left}_1", 16)
        net.declare(left, 16)
        right = net.relu(net.conv(right, 16, 1))
        right = net.relu(net.conv(net.conv(right, 16, groups=16), 16, 1))
        joined = net.concat(left, right)
        split = net.node("Reshape", joined, net.constant([0, 2, 16, 16, 16], int))
        mixed = net.node("Transpose", split, perm=[0, 2, 1, 3, 4])
        x = net.declare(net.node("Reshape", mixed, net.constant([0, 32, 16, 16], int)), 32)
    return net.model([net.head(net.relu(net.conv(x, 48, 1)))])


def convnext() -> onnx.ModelProto:
    """7x7 depthwise, LayerNorm between Transposes, Gelu between two linear layers, layer scale, residual Add."""
    net = Network("convnext", IMAGE, seed=10)
    x = net.declare(net.conv(net.input, 16, 4, stride=4), 16)
    for _ in range(2):
        y = net.node("Transpose", net.conv(x, 16, 7, groups=16), perm=[0, 2, 3, 1])
        y = net.matmul(net.layer_norm(y), 48)
        y = net.matmul(net.gelu(y), 16)
        y = net.node("Mul", y, net.constant(net.rng.uniform(0.2, 1.0, 16)))
        x = net.add(x, net.node("Transpose", y, perm=[0, 3, 1, 2]))
    return net.model([net.head(x)])


def two_outputs() -> onnx.ModelProto:
    """Class scores, and an embedding of unit length from the same features."""
    net = Network("two_outputs", IMAGE, seed=11)
    x = net.max_pool(net.relu(net.conv(net.input, 16)))
    x = net.relu(net.conv(x, 32, stride=2))
    features = net.node("Flatten", net.node("GlobalAveragePool", x))
    scores = net.node("Softmax", net.gemm(features, 10), axis=1)
    embedding = net.gemm(features, 16)
    return net.model([scores, net.node("LpNormalization", embedding, axis=1, p=2)])


def constant_operands() -> onnx.ModelProto:
    """Pixels normalized inside, constants added per channel and position, LeakyRelu, PRelu, Elu."""
    net = Network("constant_operands", IMAGE, seed=12)
    x = net.node("Sub", net.input, net.constant([[[0.485]], [[0.456]], [[0.406]]]))
    x = net.node("Div", x, net.constant([[[0.229]], [[0.224]], [[0.225]]]))
    x = net.node("LeakyRelu", net.conv(x, 16, stride=2), alpha=0.1)
    x = net.add(x, net.node("Add", net.conv(x, 16), net.constant(net.rng.normal(0, 0.2, (16, 1, 1)))))
    x = net.node("PRelu", x, net.constant(net.rng.uniform(0.1, 0.4, (16, 1, 1))))
    x = net.node("Add", x, net.constant(net.rng.normal(0, 0.2, (1, 16, 16, 16))))
    x = net.node("Elu", net.conv(x, 24), alpha=1.0)
    return net.model([net.head(net.node("Mul", net.relu(net.conv(x, 24)), net.constant(1.7)))])
