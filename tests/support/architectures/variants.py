"""One network in the forms that exporters give it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.architectures.classifiers import IMAGE, residual
from tests.support.architectures.network import Network


def weights_in_constant_nodes() -> onnx.ModelProto:
    """Opset 11, every weight the output of a `Constant` node."""
    model = residual(opset=11)
    graph = model.graph
    constants = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in graph.initializer]
    nodes = list(graph.node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*constants, *nodes])
    return model


def weights_as_inputs() -> onnx.ModelProto:
    """IR 3, as old files are: every weight listed among the graph's inputs, too."""
    model = residual(opset=9)
    model.ir_version = 3
    kind = TensorProto.FLOAT
    weights = [helper.make_tensor_value_info(tensor.name, kind, tensor.dims) for tensor in model.graph.initializer]
    model.graph.input.extend(weights)
    return model


def newest_opset() -> onnx.ModelProto:
    model = residual(opset=21)
    model.ir_version = 10
    return model


def float16_weights() -> onnx.ModelProto:
    """Weights stored in half precision behind a Cast; inputs, outputs and arithmetic in float32."""
    model = residual()
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return model


def shared_weights() -> onnx.ModelProto:
    """A head with the same weights on two levels of different ranges (RetinaNet), and one bias for two layers."""
    net = Network("shared_weights", IMAGE, seed=40, spread=False)
    high = net.relu(net.conv(net.input, 16, stride=2))
    low = net.relu(net.node("Mul", net.conv(high, 16, stride=2), net.constant(3.0)))
    weight = net.constant(net.rng.normal(0, np.sqrt(2 / 144), (16, 16, 3, 3)))
    last = net.constant(net.rng.normal(0, np.sqrt(1 / 16), (8, 16, 1, 1)))
    bias, last_bias = net.constant(net.rng.normal(0, 0.1, 16)), net.constant(net.rng.normal(0, 0.1, 8))
    outputs = []
    for level in (high, low):
        inner = net.relu(net.node("Conv", level, weight, bias, kernel_shape=[3, 3], pads=[1] * 4))
        inner = net.relu(net.node("Conv", inner, weight, bias, kernel_shape=[3, 3], pads=[1] * 4))
        outputs.append(net.node("Conv", inner, last, last_bias, kernel_shape=[1, 1]))
    return net.model(outputs)
