"""Transformers, recurrent networks, sound."""

from __future__ import annotations

import numpy as np
import onnx

from tests.support.architectures.network import Network

WIDTH, HEADS, TOKENS = 32, 2, 16


def vision_transformer(*, decomposed: bool = False) -> onnx.ModelProto:
    """ViT: patches by convolution, two encoder layers, mean of the tokens; LayerNormalization as operator or spelled out."""
    net = Network("vision_transformer", (3, 32, 32), seed=30, opset=13 if decomposed else 17, spread=False)
    x = net.conv(net.input, WIDTH, 8, stride=8)
    x = net.node("Transpose", net.node("Reshape", x, net.constant([0, WIDTH, TOKENS], int)), perm=[0, 2, 1])
    x = net.node("Add", net.declare(x, WIDTH), net.constant(net.rng.normal(0, 0.3, (1, TOKENS, WIDTH))))
    for _ in range(2):
        x = net.node("Add", x, _attention(net, net.layer_norm(x, decomposed=decomposed)))
        inner = net.gelu(net.matmul(net.layer_norm(x, decomposed=decomposed), 2 * WIDTH))
        x = net.node("Add", x, net.matmul(inner, WIDTH))
    pooled = net.node("ReduceMean", net.layer_norm(x, decomposed=decomposed), axes=[1], keepdims=0)
    return net.model([net.gemm(pooled, 10)])


def vision_transformer_decomposed() -> onnx.ModelProto:
    return vision_transformer(decomposed=True)


def _attention(net: Network, x: str) -> str:
    def heads(value: str, perm: list[int]) -> str:
        split = net.node("Reshape", value, net.constant([0, TOKENS, HEADS, WIDTH // HEADS], int))
        return net.node("Transpose", split, perm=perm)

    query, key, value = (net.matmul(x, WIDTH) for _ in range(3))
    products = net.node("MatMul", heads(query, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1]))
    weights = net.node("Softmax", net.node("Div", products, net.constant(np.sqrt(WIDTH / HEADS))), axis=-1)
    mixed = net.node("Transpose", net.node("MatMul", weights, heads(value, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    return net.matmul(net.declare(net.node("Reshape", mixed, net.constant([0, TOKENS, WIDTH], int)), WIDTH), WIDTH)


def window_attention() -> onnx.ModelProto:
    """Swin: tokens cut into windows that are folded into the BATCH axis by Reshape, attention inside, unfolded again."""
    net = Network("window_attention", (3, 32, 32), seed=34, spread=False)
    x = net.conv(net.input, WIDTH, 4, stride=4)
    x = net.declare(net.node("Transpose", x, perm=[0, 2, 3, 1]), WIDTH)
    for _ in range(2):
        cut = net.node("Reshape", net.layer_norm(x), net.constant([-1, 2, 4, 2, 4, WIDTH], int))
        cut = net.node("Transpose", cut, perm=[0, 1, 3, 2, 4, 5])
        windows = net.declare(net.node("Reshape", cut, net.constant([-1, TOKENS, WIDTH], int)), WIDTH)
        mixed = net.node("Reshape", _attention(net, windows), net.constant([-1, 2, 2, 4, 4, WIDTH], int))
        mixed = net.node("Transpose", mixed, perm=[0, 1, 3, 2, 4, 5])
        x = net.node("Add", x, net.node("Reshape", mixed, net.constant([-1, 8, 8, WIDTH], int)))
        x = net.node("Add", net.declare(x, WIDTH), net.matmul(net.gelu(net.matmul(net.layer_norm(x), 2 * WIDTH)), WIDTH))
    pooled = net.declare(net.node("ReduceMean", net.layer_norm(x), axes=[1, 2], keepdims=0), WIDTH)
    return net.model([net.gemm(pooled, 10)])


def mixer() -> onnx.ModelProto:
    """MLP-Mixer: linear layers along the channels, and along the tokens between two Transposes."""
    net = Network("mixer", (3, 32, 32), seed=35, spread=False)
    x = net.node("Reshape", net.conv(net.input, WIDTH, 8, stride=8), net.constant([-1, WIDTH, TOKENS], int))
    x = net.declare(net.node("Transpose", x, perm=[0, 2, 1]), WIDTH)
    for _ in range(2):
        across = net.declare(net.node("Transpose", net.layer_norm(x), perm=[0, 2, 1]), TOKENS)
        across = net.node("Transpose", net.matmul(net.gelu(net.matmul(across, 2 * TOKENS)), TOKENS), perm=[0, 2, 1])
        x = net.declare(net.node("Add", x, across), WIDTH)
        x = net.node("Add", x, net.matmul(net.gelu(net.matmul(net.layer_norm(x), 2 * WIDTH)), WIDTH))
    return net.model([net.gemm(net.declare(net.node("ReduceMean", x, axes=[1], keepdims=0), WIDTH), 10)])


def gru() -> onnx.ModelProto:
    """Convolutions over time, a GRU, the last state classified."""
    return _recurrent("GRU", 3, 31)


def lstm() -> onnx.ModelProto:
    """Convolutions over time, a bidirectional LSTM, every step classified (as in text recognition)."""
    return _recurrent("LSTM", 4, 32)


def _recurrent(op: str, gates: int, seed: int) -> onnx.ModelProto:
    hidden, features = 24, 32
    net = Network(op.lower(), (8, 40), seed=seed)
    x = net.relu(net.conv(net.relu(net.conv(net.input, 16, 5)), features, 3, stride=2))
    x = net.node("Transpose", x, perm=[2, 0, 1])
    directions = 2 if op == "LSTM" else 1
    spread = 1 / net._sizes[x]
    inputs = net.rng.normal(0, np.sqrt(1 / features), (directions, gates * hidden, features)) * spread
    states = net.rng.normal(0, np.sqrt(1 / hidden), (directions, gates * hidden, hidden))
    bias = net.rng.normal(0, 0.1, (directions, 2 * gates * hidden))
    if op == "GRU":
        y = net.node("GRU", x, *map(net.constant, (inputs, states, bias)), outputs=2, hidden_size=hidden, linear_before_reset=1)
        last = net.node("Squeeze", f"{y}_1", net.constant([0], int))
        return net.model([net.gemm(net.declare(last, hidden), 10)])
    y = net.node("LSTM", x, *map(net.constant, (inputs, states, bias)), hidden_size=hidden, direction="bidirectional")
    steps = net.node("Reshape", net.node("Transpose", y, perm=[2, 0, 1, 3]), net.constant([0, 0, 2 * hidden], int))
    return net.model([net.matmul(net.declare(steps, 2 * hidden), 12)])


def audio() -> onnx.ModelProto:
    """1-D convolutions over a waveform, strided and dilated, with residual blocks."""
    net = Network("audio", (1, 512), seed=33)
    x = net.relu(net.conv(net.input, 16, 16, stride=4))
    for dilation in (1, 2, 4):
        x = net.relu(net.add(x, net.conv(net.relu(net.conv(x, 16, dilation=dilation)), 16, 1)))
    x = net.relu(net.conv(x, 32, stride=4))
    return net.model([net.head(x)])


def video() -> onnx.ModelProto:
    """3-D convolutions over a few frames."""
    net = Network("video", (3, 4, 16, 16), seed=36)
    x = net.relu(net.conv(net.input, 16))
    x = net.relu(net.add(x, net.conv(net.relu(net.conv(x, 16, (3, 1, 1))), 16, (1, 3, 3))))
    return net.model([net.head(net.relu(net.conv(x, 24, stride=2)))])
