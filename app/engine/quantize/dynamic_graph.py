"""The graph of dynamic INT8 (dynamic.py has the algorithm, the pattern and the reasons)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.graph.names import Names
from app.engine.graph.walk import nodes_within
from app.engine.quantize.layers import Layer
from app.engine.quantize.recurrent import MICROSOFT, quantize_lstm


def write_dynamic(
    prepared: onnx.ModelProto,
    chosen: Collection[str],
    layers: Mapping[str, Layer],
    rows_q: Mapping[str, np.ndarray],
    scales: Mapping[str, np.ndarray],
    *,
    safe: bool,
) -> onnx.ModelProto:
    """A new model.

    Args:
        chosen: Names of the nodes that become integer: those of `layers`, and LSTMs.
        rows_q: Node name -> int8 weights (N, K).
        scales: Node name -> (N,) or () float32.
        safe: Whether the weights of an LSTM must be safe on CPUs whose products saturate (safe_pairs.py).
    """
    writer = _Writer(prepared, layers, rows_q, scales, safe=safe)
    for node in prepared.graph.node:
        writer.add(node, quantize=node.name in chosen)
    return writer.model()


class _Writer:
    """The new graph, node by node."""

    def __init__(
        self,
        prepared: onnx.ModelProto,
        layers: Mapping[str, Layer],
        rows_q: Mapping[str, np.ndarray],
        scales: Mapping[str, np.ndarray],
        *,
        safe: bool,
    ) -> None:
        self._prepared, self._layers, self._rows_q, self._scales, self._safe = prepared, layers, rows_q, scales, safe
        self._float = {tensor.name: numpy_helper.to_array(tensor) for tensor in prepared.graph.initializer}
        self._fresh = Names(prepared.graph).fresh
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._quantized_inputs: set[str] = set()
        self._weights: dict[tuple[tuple[int, ...], bytes], str] = {}

    def add(self, node: onnx.NodeProto, *, quantize: bool) -> None:
        if not quantize:
            self._nodes.append(node)
        elif node.op_type == "LSTM":
            written, constants = quantize_lstm(node, self._float, safe=self._safe)
            stored = {name: self._constant(name, values) for name, values in constants.items()}
            written.input[:] = [stored.get(name, name) for name in written.input]
            self._nodes.append(written)
        else:
            self._product(node, self._layers[node.name])

    def _product(self, node: onnx.NodeProto, layer: Layer) -> None:
        name, (x_q, s_x, z_x) = node.name, self._quantized(layer.activation)
        w_q, s_w = self._weight(layer)
        zero = self._constant("int8_zero", np.zeros((), np.int8))
        bias = self._bias(node, layer)
        sums, steps, scale, product = (self._fresh(f"{name}_{what}") for what in ("sums", "steps", "scale", "product"))
        self._node("MatMulInteger", [x_q, w_q, z_x, zero], sums, self._fresh(f"{name}_integer"))
        self._node("Cast", [sums], steps, self._fresh(f"{name}_cast"), to=onnx.TensorProto.FLOAT)
        self._node("Mul", [s_x, s_w], scale, self._fresh(f"{name}_scales"))
        scaled = product if bias else node.output[0]
        self._node("Mul", [steps, scale], scaled, name)
        if bias:
            self._node("Add", [scaled, bias], node.output[0], self._fresh(f"{name}_add"))

    def _weight(self, layer: Layer) -> tuple[str, str]:
        """Names of w_q and s_w; equal integers are stored once, as nodes that share a weight have them."""
        alpha = np.float32(layer.attributes.get("alpha", 1.0))  # type: ignore[arg-type]
        weight = np.ascontiguousarray(self._rows_q[layer.node].T)
        key = (weight.shape, sha256(weight.tobytes()).digest())
        if key not in self._weights:
            self._weights[key] = self._constant(f"{layer.node}_weight_q", weight)
        scale = np.asarray(self._scales[layer.node] * alpha, np.float32)
        return self._weights[key], self._constant(f"{layer.node}_weight_scale", scale)

    def _bias(self, node: onnx.NodeProto, layer: Layer) -> str:
        """Name of Gemm's C, beta done; "" without one. A row (1, N) becomes (N,), which the runtime fuses."""
        if layer.op_type != "Gemm" or len(node.input) < 3 or not node.input[2]:
            return ""
        if node.input[2] not in self._float:
            return str(node.input[2])
        values = np.asarray(self._float[node.input[2]])
        if values.ndim == 2 and values.shape[0] == 1:
            values = values[0]
        beta = np.float32(layer.attributes.get("beta", 1.0))  # type: ignore[arg-type]
        return self._constant(f"{node.name}_bias", np.asarray(values * beta, np.float32))

    def _quantized(self, value: str) -> tuple[str, str, str]:
        x_q, s_x, z_x = (self._fresh(f"{value}_{what}") for what in ("q", "q_scale", "q_zero_point"))
        if value not in self._quantized_inputs:
            self._quantized_inputs.add(value)
            name = self._fresh(f"{value}_quantize")
            self._nodes.append(helper.make_node("DynamicQuantizeLinear", [value], [x_q, s_x, z_x], name=name))
        return x_q, s_x, z_x

    def _node(self, op_type: str, inputs: list[str], output: str, name: str, **attributes: int) -> None:
        self._nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))

    def _constant(self, stem: str, values: np.ndarray) -> str:
        name = self._fresh(stem)
        self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def model(self) -> onnx.ModelProto:
        """With only the constants that are still read, by a subgraph as well."""
        model = onnx.ModelProto()
        model.CopyFrom(self._prepared)
        graph = model.graph
        read = {name for node in nodes_within(self._nodes) for name in node.input} | {value.name for value in graph.output}
        kept = [tensor for tensor in self._prepared.graph.initializer if tensor.name in read]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend([*kept, *self._constants.values()])
        if any(node.domain == MICROSOFT for node in self._nodes) and MICROSOFT not in {e.domain for e in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return model
