"""A small integer network with a depthwise layer inside, for tests of layouts: image, 1x1, depthwise, gate, 1x1."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class DepthwiseNet:
    """Every value on the grid scale 0.05, zero point 128; weights int8 per channel; node names first, depthwise, last, …"""

    def __init__(self, channels: int, side: int = 8) -> None:
        self.channels, self.side = channels, side
        self._random = np.random.default_rng(channels)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.constant("scale", np.float32(0.05))
        self.constant("zero", np.uint8(128))

    def constant(self, name: str, values: np.ndarray | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, op_type: str, inputs: list[str], name: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def rounded(self, value: str) -> str:
        self.node("QuantizeLinear", [value, "scale", "zero"], f"{value}_q")
        return self.node("DequantizeLinear", [f"{value}_q", "scale", "zero"], f"{value}_dq")

    def conv(self, name: str, source: str, shape: tuple[int, ...], group: int = 1) -> str:
        weight_scale = self._random.uniform(0.001, 0.02, shape[0]).astype(np.float32)
        weights = [
            self.constant(f"{name}_w_q", self._random.integers(-127, 128, shape).astype(np.int8)),
            self.constant(f"{name}_w_scale", weight_scale),
            self.constant(f"{name}_w_zero", np.zeros(shape[0], np.int8)),
        ]
        bias = [
            self.constant(f"{name}_b_q", self._random.integers(-999, 999, shape[0]).astype(np.int32)),
            self.constant(f"{name}_b_scale", np.float32(0.05) * weight_scale),
            self.constant(f"{name}_b_zero", np.zeros(shape[0], np.int32)),
        ]
        self.node("DequantizeLinear", weights, f"{name}_w", axis=0)
        self.node("DequantizeLinear", bias, f"{name}_b", axis=0)
        pads = [shape[2] // 2] * 4
        self._nodes.append(
            helper.make_node("Conv", [source, f"{name}_w", f"{name}_b"], [f"{name}_y"], name=name, group=group, pads=pads)
        )
        return self.rounded(f"{name}_y")

    def model(self, output: str, sizes: tuple[int, ...]) -> onnx.ModelProto:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, self.side, self.side])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, list(sizes))
        graph = helper.make_graph(self._nodes, "depthwise", [image], [result], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def gated_depthwise(channels: int, side: int = 8) -> onnx.ModelProto:
    """With a squeeze-and-excite gate behind the depthwise layer."""
    net = DepthwiseNet(channels, side)
    x = net.conv("first", net.rounded("image"), (channels, 4, 1, 1))
    x = net.conv("depthwise", x, (channels, 1, 3, 3), group=channels)
    gate = net.rounded(net.node("GlobalAveragePool", [x], "mean"))
    gate = net.conv("excite", net.conv("squeeze", gate, (8, channels, 1, 1)), (channels, 8, 1, 1))
    gate = net.rounded(net.node("Sigmoid", [gate], "gate"))
    x = net.rounded(net.node("Mul", [x, gate], "gated"))
    return net.model(net.conv("last", x, (5, channels, 1, 1)), (1, 5, side, side))


def exposed_depthwise(channels: int, side: int = 8) -> onnx.ModelProto:
    """The depthwise layer's channels are the output."""
    net = DepthwiseNet(channels, side)
    x = net.conv("first", net.rounded("image"), (channels, 4, 1, 1))
    return net.model(net.conv("depthwise", x, (channels, 1, 3, 3), group=channels), (1, channels, side, side))
