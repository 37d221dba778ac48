"""Transformer encoders and recurrent networks for the variants whose matrix products dominate, with weights of fixed seeds.

An encoder takes `x`, (batch, tokens, width) float32, and gives `y` of the same shape. A block is attention and MLP, each behind
a LayerNormalization and with a residual Add, as in ViT (pre-norm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Norm = Literal["op", "decomposed"]
Activation = Literal["Gelu", "Relu"]


@dataclass(frozen=True)
class EncoderShape:
    layers: int = 2
    width: int = 64
    heads: int = 4
    hidden: int = 128
    tokens: int = 16
    norm: Norm = "op"
    activation: Activation = "Relu"
    fused_bias: bool = False
    """The MLP as Gemm(transB) on flattened tokens instead of MatMul and Add."""
    outlier: float = 1.0
    """Factor on a few channels of every LayerNormalization's scale, divided out of the weights behind it: the same function,
    with the outlier channels that trained transformers have (SmoothQuant, arXiv 2211.10438, §3)."""
    seed: int = 0


@dataclass
class _Builder:
    shape: EncoderShape
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.shape.seed)
        self.outliers = np.ones(self.shape.width, np.float32)
        self.outliers[self.rng.choice(self.shape.width, 2, replace=False)] = self.shape.outlier

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        self.constants[name] = np.asarray(values, dtype)
        return name

    def node(self, op: str, name: str, inputs: Sequence[str], **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def weight(self, name: str, rows: int, columns: int) -> np.ndarray:
        return self.rng.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)

    def linear(self, name: str, x: str, rows: int, columns: int, *, behind_norm: bool = False) -> str:
        weight = self.weight(name, rows, columns)
        if behind_norm:
            weight /= self.outliers[:, None]
        bias = self.constant(f"{name}_b", self.rng.normal(0, 0.1, columns))
        product = self.node("MatMul", name, [x, self.constant(f"{name}_w", weight)])
        return self.node("Add", f"{name}_add", [product, bias])

    def norm(self, name: str, x: str) -> str:
        scale = self.rng.uniform(0.5, 1.5, self.shape.width).astype(np.float32) * self.outliers
        bias = self.rng.normal(0, 0.2, self.shape.width).astype(np.float32) * self.outliers
        scale_name, bias_name = self.constant(f"{name}_scale", scale), self.constant(f"{name}_bias", bias)
        if self.shape.norm == "op":
            return self.node("LayerNormalization", name, [x, scale_name, bias_name], axis=-1)
        mean = self.node("ReduceMean", f"{name}_mean", [x], axes=[-1])
        centred = self.node("Sub", f"{name}_sub", [x, mean])
        square = self.node("Pow", f"{name}_pow", [centred, self.constant(f"{name}_two", 2.0)])
        variance = self.node("ReduceMean", f"{name}_variance", [square], axes=[-1])
        padded = self.node("Add", f"{name}_epsilon", [variance, self.constant(f"{name}_eps", 1e-5)])
        divided = self.node("Div", f"{name}_div", [centred, self.node("Sqrt", f"{name}_sqrt", [padded])])
        return self.node("Add", f"{name}_shift", [self.node("Mul", f"{name}_gain", [divided, scale_name]), bias_name])

    def heads(self, name: str, x: str, order: Sequence[int]) -> str:
        per_head = self.shape.width // self.shape.heads
        split = self.constant(f"{name}_split", [0, 0, self.shape.heads, per_head], np.int64)
        return self.node("Transpose", f"{name}_turn", [self.node("Reshape", f"{name}_cut", [x, split])], perm=list(order))

    def attention(self, name: str, x: str) -> str:
        width = self.shape.width
        q, k, v = (self.linear(f"{name}_{part}", x, width, width, behind_norm=True) for part in "qkv")
        scores = self.node(
            "MatMul", f"{name}_scores", [self.heads(f"{name}_q", q, (0, 2, 1, 3)), self.heads(f"{name}_k", k, (0, 2, 3, 1))]
        )
        scaled = self.node("Mul", f"{name}_scale", [scores, self.constant(f"{name}_root", (width // self.shape.heads) ** -0.5)])
        weights = self.node("Softmax", f"{name}_softmax", [scaled], axis=-1)
        mixed = self.node("MatMul", f"{name}_mix", [weights, self.heads(f"{name}_v", v, (0, 2, 1, 3))])
        together = self.node("Transpose", f"{name}_back", [mixed], perm=[0, 2, 1, 3])
        joined = self.node("Reshape", f"{name}_join", [together, self.constant(f"{name}_joint", [0, 0, width], np.int64)])
        return self.linear(f"{name}_o", joined, width, width)

    def mlp(self, name: str, x: str) -> str:
        width, hidden = self.shape.width, self.shape.hidden
        if not self.shape.fused_bias:
            up = self.activate(name, self.linear(f"{name}_up", x, width, hidden, behind_norm=True))
            return self.linear(f"{name}_down", up, hidden, width)
        flat = self.node("Reshape", f"{name}_flat", [x, self.constant(f"{name}_rows", [-1, width], np.int64)])
        up = self.constant(f"{name}_up_w", (self.weight(name, width, hidden) / self.outliers[:, None]).T)
        down = self.constant(f"{name}_down_w", self.weight(name, hidden, width).T)
        biases = [
            self.constant(f"{name}_{part}_b", self.rng.normal(0, 0.1, n)) for part, n in (("up", hidden), ("down", width))
        ]
        risen = self.activate(name, self.node("Gemm", f"{name}_up", [flat, up, biases[0]], transB=1))
        fallen = self.node("Gemm", f"{name}_down", [risen, down, biases[1]], transB=1)
        return self.node(
            "Reshape", f"{name}_tokens", [fallen, self.constant(f"{name}_3d", [-1, self.shape.tokens, width], np.int64)]
        )

    def activate(self, name: str, x: str) -> str:
        if self.shape.activation == "Relu":
            return self.node("Relu", f"{name}_act", [x])
        inner = self.node("Erf", f"{name}_erf", [self.node("Div", f"{name}_root", [x, self.constant(f"{name}_r2", 2**0.5)])])
        shifted = self.node("Add", f"{name}_one", [inner, self.constant(f"{name}_1", 1.0)])
        return self.node(
            "Mul", f"{name}_half", [self.node("Mul", f"{name}_gate", [x, shifted]), self.constant(f"{name}_05", 0.5)]
        )


def encoder(shape: EncoderShape | None = None) -> ModelProto:
    shape = shape or EncoderShape()
    build = _Builder(shape)
    _blocks(build, "x")
    build.nodes[-1].output[0] = "y"
    dims = ["batch", shape.tokens, shape.width]
    return _model(build.nodes, build.constants, [("x", dims)], [("y", dims)])


def vision_transformer(shape: EncoderShape | None = None, *, side: int = 32, classes: int = 10) -> ModelProto:
    """`image` (batch, 3, side, side) -> Conv in patches -> encoder -> mean over tokens -> `scores` (batch, classes)."""
    shape = shape or EncoderShape()
    build = _Builder(shape)
    patch = side // int(shape.tokens**0.5)
    filters = build.constant("patch_w", build.rng.normal(0, (3 * patch * patch) ** -0.5, (shape.width, 3, patch, patch)))
    patches = build.node("Conv", "patch", ["image", filters], kernel_shape=[patch, patch], strides=[patch, patch])
    rows = build.constant("patch_rows", [0, shape.width, shape.tokens], np.int64)
    tokens = build.node("Transpose", "turn", [build.node("Reshape", "flatten", [patches, rows])], perm=[0, 2, 1])
    place = build.constant("place", build.rng.normal(0, 0.1, (1, shape.tokens, shape.width)))
    last = _blocks(build, build.node("Add", "placed", [tokens, place]))
    pooled = build.node("ReduceMean", "pool", [build.norm("last", last)], axes=[1], keepdims=0)
    head = build.constant("head_w", build.weight("head", shape.width, classes))
    build.node("Gemm", "head", [pooled, head, build.constant("head_b", np.zeros(classes))])
    build.nodes[-1].output[0] = "scores"
    image = ["batch", 3, side, side]
    return _model(build.nodes, build.constants, [("image", image)], [("scores", ["batch", classes])])


def _blocks(build: _Builder, x: str) -> str:
    for number in range(build.shape.layers):
        attended = build.attention(f"att{number}", build.norm(f"norm{number}a", x))
        x = build.node("Add", f"res{number}a", [x, attended])
        x = build.node("Add", f"res{number}b", [x, build.mlp(f"mlp{number}", build.norm(f"norm{number}b", x))])
    return x


def recurrent(
    cell: Literal["LSTM", "GRU"] = "LSTM",
    *,
    width: int = 32,
    hidden: int = 48,
    steps: int = 12,
    bidirectional: bool = False,
    seed: int = 0,
) -> ModelProto:
    """`x` (steps, batch, width) -> recurrent layer -> Gemm on the last state -> `y` (batch, 10)."""
    rng = np.random.default_rng(seed)
    gates, directions = {"LSTM": 4, "GRU": 3}[cell], 2 if bidirectional else 1
    scale = hidden**-0.5
    constants = {
        "W": rng.normal(0, scale, (directions, gates * hidden, width)),
        "R": rng.normal(0, scale, (directions, gates * hidden, hidden)),
        "B": rng.normal(0, 0.1, (directions, 2 * gates * hidden)),
        "head_w": rng.normal(0, scale, (10, directions * hidden)),
        "head_b": rng.normal(0, 0.1, 10),
    }
    flat = np.array([-1, directions * hidden])
    nodes = [
        helper.make_node(
            cell, ["x", "W", "R", "B"], ["", "state"], name="cell", hidden_size=hidden,
            direction="bidirectional" if bidirectional else "forward",
        ),
        helper.make_node("Transpose", ["state"], ["turned"], name="turn", perm=[1, 0, 2]),
        helper.make_node("Reshape", ["turned", "flat"], ["features"], name="flatten"),
        helper.make_node("Gemm", ["features", "head_w", "head_b"], ["y"], name="head", transB=1),
    ]  # fmt: skip
    arrays = {name: np.asarray(value, np.float32) for name, value in constants.items()} | {"flat": flat.astype(np.int64)}
    return _model(nodes, arrays, [("x", [steps, "batch", width])], [("y", ["batch", 10])])


def encoder_inputs(shape: EncoderShape, n: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (1, shape.tokens, shape.width)).astype(np.float32) for _ in range(n)]


def _model(
    nodes: Sequence[NodeProto],
    constants: dict[str, np.ndarray],
    inputs: Sequence[tuple[str, list[int | str]]],
    outputs: Sequence[tuple[str, list[int | str]]],
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="int8-workbench tests")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
