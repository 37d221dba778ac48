"""Bias correction front to back: each layer's bias is corrected on the input it will really get.

    N          samples of the fitting set
    x_f, x_q   a value of the float model, of the quantized model; both for all samples, one after the other along axis 0
    y_f        layer(x_f; W, b)
    y          layer(x_q; W_q, b')
    A_c        positions of channel c where the activation behind is linear: smallest < y_f < largest of its Relu or Clip
    b''_c      b'_c + mean over A_c of (y_f - y)
    y_q        layer(x_q; W_q, b''), then rounded to the output's grid

Only the linear positions count: beyond them the activation swallows the error, and a mean over all positions shifts the ones
that matter to make up for it (EfficientNet-Lite0: 21.8 dB over all positions, 25.7 over these). Channels with fewer than ENOUGH
such positions are corrected in proportion.

Values are freed behind their last consumer, so memory is that of the widest place of the graph for a few images, whatever the
size of the calibration set (accuracy.md §3.6). Source: DFQ, arXiv 1906.04721, §4.2; the choice of positions is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.numerics.affine import QParams, fake_quantize
from app.engine.quantize.layers import Layer
from app.engine.quantize.node_runs import NodeRunner
from app.engine.quantize.tensors import TensorPlan
from app.engine.quantize.weights import QuantizedLayer, quantized_layer
from app.engine.runtimes.base import Runtime

ENOUGH = 50


class SequentialBiasCorrection:
    """Corrects the biases of the layers of one prepared model in graph order; weights stay."""

    def __init__(
        self,
        runtime: Runtime,
        model: onnx.ModelProto,
        layers: Mapping[str, Layer],
        integers: Mapping[str, QuantizedLayer],
        grids: Mapping[str, QParams],
        plan: TensorPlan,
        *,
        threads: int,
    ) -> None:
        self._runtime, self._model, self._layers, self._grids = runtime, model, layers, grids
        self._threads = threads
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        outputs = {node.name: node.output[0] for node in model.graph.node}
        self._linear = {source: plan.clip[outputs[node]] for node, source in plan.folded.items()}
        self.corrected: dict[str, QuantizedLayer] = dict(integers)

    def run(self, samples: np.ndarray, on_layer: Callable[[int, int], None]) -> dict[str, QuantizedLayer]:
        """
        Args:
            samples: Input tensors of the fitting set in one array, (N, …).

        Raises:
            WorkbenchError: `runtime.*` when a node cannot run alone (see `NodeRunner.run`).
        """
        graph = self._model.graph
        last_use = {name: position for position, node in enumerate(graph.node) for name in node.input}
        (graph_input,) = (value.name for value in graph.input)
        sizes = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
        batch = sizes[0] if sizes and sizes[0] else 1
        nodes = NodeRunner(self._runtime, self._model, samples=len(samples) // batch, threads=self._threads)
        exact = {graph_input: samples}
        rounded = {graph_input: self._on_grid(graph_input, samples)}
        leading = self._nodes_that_lead_to_layers()
        for position, node in enumerate(graph.node):
            if node.name not in leading:
                continue
            names = [name for name in node.input if name and name not in self._constants]
            float_outputs = nodes.run(node, exact)
            if node.name in self._layers:
                outputs = [self._layer(node, nodes, rounded, float_outputs[0])]
            elif all(rounded[name] is exact[name] for name in names):
                outputs = float_outputs
            else:
                outputs = nodes.run(node, rounded)
            written = [name for name in node.output if name]
            for name, y_f, y_q in zip(written, float_outputs, outputs, strict=True):
                exact[name], rounded[name] = y_f, self._on_grid(name, y_q)
            for name in names:
                if last_use[name] == position:
                    exact.pop(name, None)
                    rounded.pop(name, None)
            on_layer(position + 1, len(graph.node))
        return self.corrected

    def _nodes_that_lead_to_layers(self) -> set[str]:
        """The layers and what they read; what decodes the outputs has no bias."""
        needed: set[str] = set()
        leading: set[str] = set()
        for node in reversed(self._model.graph.node):
            if node.name in self._layers or any(name in needed for name in node.output):
                leading.add(node.name)
                needed.update(node.input)
        return leading

    def _layer(self, node: onnx.NodeProto, nodes: NodeRunner, rounded: Mapping[str, np.ndarray], y_f: np.ndarray) -> np.ndarray:
        """Output of the quantized layer with its new bias, before it is rounded."""
        layer, integers = self._layers[node.name], self.corrected[node.name]
        replaced = {layer.weight_name: layer.from_rows(integers.dequantized_rows(layer))}
        bias = integers.dequantized_bias
        if bias is not None and layer.bias_name:
            factor = float(layer.attributes.get("beta", 1.0))  # type: ignore[arg-type]
            replaced[layer.bias_name] = bias / factor if factor else bias
        (y,) = nodes.run(node, rounded, replaced)
        axis = 1 if node.op_type.startswith("Conv") else y.ndim - 1
        shape = [1] * y.ndim
        shape[axis] = layer.channels
        if bias is not None and not layer.bias_name:
            y = y + bias.reshape(shape)
        if layer.op_type == "MatMul":
            return y
        correction = self._correction(node.output[0], y_f, y, axis)
        input_scale = np.float32(self._grids[layer.activation].scale)
        bias = correction if bias is None else bias + correction
        packed = quantized_layer(layer, layer.rows_of(integers.weight_q), integers.weight_scale, bias, input_scale)
        self.corrected[node.name] = replace(integers, bias_q=packed.bias_q, bias_scale=packed.bias_scale)
        return np.asarray(y + correction.reshape(shape), np.float32)

    def _correction(self, value: str, y_f: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        """(C,) float32."""
        smallest, largest = self._linear.get(value, (-np.inf, np.inf))
        axes = tuple(other for other in range(y.ndim) if other != axis)
        linear = (y_f > smallest) & (y_f < largest)
        count = linear.sum(axis=axes)
        mean = np.sum(y_f - y, axis=axes, where=linear, dtype=np.float64) / np.maximum(count, 1)
        return np.asarray(mean * np.minimum(1.0, count / ENOUGH), np.float32)

    def _on_grid(self, name: str, values: np.ndarray) -> np.ndarray:
        return fake_quantize(values, self._grids[name]) if name in self._grids else values
