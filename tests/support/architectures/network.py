"""A small language for networks in ONNX, with weights as spread as trained ones.

    s      (C,) relative size of a value's channels, tracked from node to node
    W      He-scaled normal, rows times the channel's own size, columns over the size of the input's channels

So every channel counts alike at the output although some are ten times larger than others and some are dead (weights near
0, only a bias): what one 8-bit grid per tensor finds hard. All from one seed; node and value names are stable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LOUD = 8.0
"""How much larger the loudest channel of a layer is."""


class Network:
    def __init__(self, name: str, shape: Sequence[int], *, opset: int = 17, seed: int = 0, spread: bool = True) -> None:
        """
        Args:
            shape: Of one sample, channels first: (C, …); the batch is free.
            spread: False gives all channels one size, and none dead.
        """
        self.name, self.opset, self._spread = name, opset, spread
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.input = "image"
        self._shape = list(shape)
        self._sizes: dict[str, np.ndarray] = {self.input: np.ones(shape[0])}

    # graph

    def constant(self, values: object, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(values, dtype)
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, like: str | None = None, **attributes: object) -> str:
        """The first output; the k-th further one has the suffix `_k`. Channel sizes are those of `like` (first input)."""
        name = f"{op.lower()}_{len(self.nodes)}"
        written = [f"{name}_out", *(f"{name}_out_{k}" for k in range(1, outputs))]
        self.nodes.append(helper.make_node(op, list(inputs), written, name=name, **attributes))
        sizes = self._sizes.get(like or inputs[0])
        if sizes is not None:
            self._sizes.update(dict.fromkeys(written, sizes))
        return written[0]

    def channels(self, value: str) -> int:
        return len(self._sizes[value])

    def declare(self, value: str, channels: int) -> str:
        """Say how many channels a value has where the node does not tell."""
        self._sizes[value] = np.ones(channels)
        return value

    def model(self, outputs: Sequence[str], *, ir_version: int = 8) -> onnx.ModelProto:
        """Outputs are renamed `output_0`, …; their shapes are inferred by whoever reads the file."""
        for number, value in enumerate(outputs):
            self.nodes.append(helper.make_node("Identity", [value], [f"output_{number}"], name=f"output_{number}_name"))
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info(self.input, TensorProto.FLOAT, ["batch", *self._shape])],
            [helper.make_tensor_value_info(f"output_{n}", TensorProto.FLOAT, None) for n in range(len(outputs))],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=ir_version)
        return onnx.shape_inference.infer_shapes(model)

    # layers with weights

    def conv(
        self, x: str, channels: int, kernel: int | Sequence[int] = 3, *, stride: int = 1, groups: int = 1, dilation: int = 1,
        bias: bool = True, gain: float = 2.0, padded: bool = True,
    ) -> str:  # fmt: skip
        """ "Same" padding at stride 1; a bare int kernel is square in as many dimensions as the input has."""
        extent = [kernel] * (len(self._shape) - 1) if isinstance(kernel, int) else list(kernel)
        per_group = self.channels(x) // groups
        weight = self.rng.normal(0, np.sqrt(gain / (per_group * np.prod(extent))), (channels, per_group, *extent))
        group_of = np.arange(channels) // (channels // groups)
        columns = self._sizes[x].reshape(groups, per_group)[group_of]
        inputs, sizes = self._weighted(x, weight, 1 / columns, channels, bias=bias)
        around = [dilation * (k // 2) for k in extent] + [dilation * ((k - 1) // 2) for k in extent]
        pads = around if padded else [0] * len(around)
        y = self.node(
            "Conv", *inputs, kernel_shape=extent, strides=[stride] * len(extent), pads=pads, group=groups,
            dilations=[dilation] * len(extent),
        )  # fmt: skip
        self._sizes[y] = sizes
        return y

    def conv_transpose(self, x: str, channels: int, *, kernel: int = 2, stride: int = 2) -> str:
        weight = self.rng.normal(0, np.sqrt(2 / self.channels(x)), (self.channels(x), channels, kernel, kernel))
        weight /= self._sizes[x][:, None, None, None]
        bias = self.rng.normal(0, 0.1, channels)
        y = self.node(
            "ConvTranspose", x, self.constant(weight), self.constant(bias), kernel_shape=[kernel] * 2, strides=[stride] * 2
        )
        return self.declare(y, channels)

    def gemm(self, x: str, channels: int, *, gain: float = 1.0) -> str:
        weight = self.rng.normal(0, np.sqrt(gain / self.channels(x)), (channels, self.channels(x)))
        inputs, _ = self._weighted(x, weight, 1 / self._sizes[x][None], channels, bias=True, spread=False)
        return self.declare(self.node("Gemm", *inputs, transB=1), channels)

    def matmul(self, x: str, channels: int, *, bias: bool = True, gain: float = 1.0) -> str:
        """(…, C) @ (C, channels), plus a bias by Add."""
        weight = self.rng.normal(0, np.sqrt(gain / self.channels(x)), (self.channels(x), channels)) / self._sizes[x][:, None]
        y = self.declare(self.node("MatMul", x, self.constant(weight)), channels)
        return self.node("Add", y, self.constant(self.rng.normal(0, 0.1, channels))) if bias else y

    def _weighted(
        self, x: str, weight: np.ndarray, columns: np.ndarray, channels: int, *, bias: bool, spread: bool = True
    ) -> tuple[list[str], np.ndarray]:
        """Input names of the layer and the sizes of its output channels."""
        sizes = self._channel_sizes(channels) if spread and self._spread else np.ones(channels)
        trailing = (1,) * (weight.ndim - 2)
        weight = weight * columns.reshape(*columns.shape, *trailing) * sizes.reshape(-1, 1, *trailing)
        offsets = self.rng.normal(0, 0.1, channels) * sizes
        if spread and self._spread and channels >= 16:
            weight[-1] *= 1e-7  # a dead channel, as pruning and ReLU leave them
            offsets[-1] = 0.3
        inputs = [x, self.constant(weight)]
        return [*inputs, self.constant(offsets)] if bias else inputs, sizes

    def _channel_sizes(self, channels: int) -> np.ndarray:
        sizes = np.exp(self.rng.normal(0, 0.35, channels))
        if channels >= 8:
            sizes[int(self.rng.integers(channels - 1))] *= LOUD
        return sizes

    # activations and blocks that several networks use

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def relu6(self, x: str) -> str:
        return self.node("Clip", x, self.constant(0), self.constant(6))

    def silu(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def gelu(self, x: str) -> str:
        inner = self.node("Add", self.node("Erf", self.node("Div", x, self.constant(np.sqrt(2)))), self.constant(1))
        return self.node("Mul", self.node("Mul", x, inner), self.constant(0.5))

    def hard_swish(self, x: str, *, decomposed: bool = False) -> str:
        if not decomposed:
            return self.node("HardSwish", x)
        clipped = self.relu6(self.node("Add", x, self.constant(3)))
        return self.node("Div", self.node("Mul", x, clipped), self.constant(6))

    def add(self, a: str, b: str) -> str:
        y = self.node("Add", a, b)
        self._sizes[y] = np.sqrt(self._sizes[a] ** 2 + self._sizes[b] ** 2)
        return y

    def concat(self, *values: str, axis: int = 1) -> str:
        y = self.node("Concat", *values, axis=axis)
        self._sizes[y] = np.concatenate([self._sizes[value] for value in values])
        return y

    def batch_norm(self, x: str) -> str:
        """With the statistics that training would have found: outputs of about unit size, spread as the weights are."""
        channels, sizes = self.channels(x), self._sizes[x]
        wanted = self._channel_sizes(channels)
        y = self.node(
            "BatchNormalization",
            x,
            self.constant(wanted),
            self.constant(self.rng.normal(0, 0.3, channels) * wanted),
            self.constant(self.rng.normal(0, 0.1, channels) * sizes),
            self.constant(self.rng.uniform(0.5, 1.5, channels) * sizes**2),
        )
        self._sizes[y] = wanted
        return y

    def max_pool(self, x: str, kernel: int = 2, stride: int = 2) -> str:
        pad = kernel // 2 if stride == 1 else 0
        return self.node("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def squeeze_excite(self, x: str, *, gate: str = "Sigmoid") -> str:
        channels = self.channels(x)
        pooled = self.node("GlobalAveragePool", x)
        inner = self.relu(self.conv(pooled, max(4, channels // 4), 1))
        self._sizes[inner] = np.ones(self.channels(inner))
        opened = self.node(gate, self.conv(inner, channels, 1))
        return self.node("Mul", x, opened)

    def layer_norm(self, x: str, *, decomposed: bool = False) -> str:
        """Over the last axis."""
        channels = self.channels(x)
        scale = self.constant(np.exp(self.rng.normal(0, 0.3, channels)))
        bias = self.constant(self.rng.normal(0, 0.1, channels))
        if not decomposed:
            return self.declare(self.node("LayerNormalization", x, scale, bias, axis=-1), channels)
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        variance = self.node("ReduceMean", self.node("Pow", centred, self.constant(2)), axes=[-1])
        spread = self.node("Sqrt", self.node("Add", variance, self.constant(1e-5)))
        normal = self.node("Div", centred, spread)
        return self.declare(self.node("Add", self.node("Mul", normal, scale), bias), channels)

    def head(self, x: str, classes: int = 10) -> str:
        """Global average pooling and a linear layer."""
        return self.gemm(self.node("Flatten", self.node("GlobalAveragePool", x)), classes)
