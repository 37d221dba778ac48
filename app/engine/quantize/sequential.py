"""Front to back: each layer is rounded and its bias corrected on the input it will really get.

    N          samples of the fitting set
    x_f, x_q   a value of the float model, of the quantized model; both for all samples, one after the other along axis 0
    y_f        layer(x_f; W, b)
    W_q        W rounded with the second moments of x_q                       (rounding.py)
    b'         b + mean(y_f) - mean(layer(x_q; W_q, b))  per output channel    (bias correction, DFQ arXiv 1906.04721)
    y_q        layer(x_q; W_q, b'), then rounded to the output's grid

Values are freed behind their last consumer, so memory is that of the widest place of the graph for a few images, whatever the
size of the calibration set (accuracy.md §3.6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.numerics.affine import QParams, fake_quantize
from app.engine.quantize.layers import Layer
from app.engine.quantize.node_runs import NodeRunner
from app.engine.quantize.patches import sample_rows
from app.engine.quantize.rounding import round_channels_with_moments, round_with_moments, second_moments
from app.engine.quantize.weights import QuantizedLayer, quantized_layer, round_to_nearest, weight_scales
from app.engine.runtimes.base import Runtime


@dataclass(frozen=True)
class Effort:
    """Which optional steps are taken; each can be switched off."""

    second_moment_rounding: bool = True
    bias_correction: bool = True
    per_channel: bool = True


class SequentialQuantizer:
    """Quantizes the layers of one prepared model in graph order."""

    def __init__(
        self,
        runtime: Runtime,
        model: onnx.ModelProto,
        layers: Mapping[str, Layer],
        grids: Mapping[str, QParams],
        effort: Effort,
        *,
        seed: int,
        threads: int,
    ) -> None:
        self._runtime, self._model, self._layers, self._grids = runtime, model, layers, grids
        self._effort, self._threads = effort, threads
        self._rng = np.random.default_rng(seed)
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.quantized: dict[str, QuantizedLayer] = {}

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
        for position, node in enumerate(graph.node):
            names = [name for name in node.input if name and name not in self._constants]
            float_outputs = nodes.run(node, exact)
            if node.name in self._layers:
                outputs = self._layer(node, nodes, rounded, float_outputs)
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
        return self.quantized

    def _layer(
        self, node: onnx.NodeProto, nodes: NodeRunner, rounded: Mapping[str, np.ndarray], float_outputs: list[np.ndarray]
    ) -> list[np.ndarray]:
        layer = self._layers[node.name]
        x_q = rounded[layer.activation]
        input_scale = np.float32(self._grids[layer.activation].scale)
        scales = weight_scales(layer, input_scale, per_channel=self._effort.per_channel)
        rows_q = self._round(layer, x_q, scales)
        quantized = quantized_layer(layer, rows_q, scales, layer.bias, input_scale)
        weight = layer.from_rows(quantized.dequantized_rows(layer))
        (y_q,) = nodes.run(node, rounded, {layer.weight_name: weight})
        if self._effort.bias_correction:
            channel_axis = 1 if node.op_type.startswith("Conv") else y_q.ndim - 1
            axes = tuple(axis for axis in range(y_q.ndim) if axis != channel_axis)
            wanted, got = (y.mean(axis=axes, dtype=np.float64) for y in (float_outputs[0], y_q))
            correction = (wanted - got).astype(np.float32)
            if layer.op_type != "MatMul":
                bias = correction if layer.bias is None else layer.bias + correction
                quantized = quantized_layer(layer, rows_q, scales, bias, input_scale)
                shape = [1] * y_q.ndim
                shape[channel_axis] = len(correction)
                y_q = y_q + correction.reshape(shape)
        self.quantized[node.name] = quantized
        return [y_q]

    def _round(self, layer: Layer, x_q: np.ndarray, scales: np.ndarray) -> np.ndarray:
        if not self._effort.second_moment_rounding or layer.op_type == "ConvTranspose":
            return round_to_nearest(layer.rows, scales)
        patches = sample_rows(layer, x_q, self._rng)  # (G, n, K)
        if layer.groups == 1:
            moments, _ = second_moments(patches[0])
            return round_with_moments(layer.rows, scales, moments)
        per_group = layer.channels // layer.groups
        grouped = np.stack([second_moments(group)[0] for group in patches])  # (G, K, K)
        return round_channels_with_moments(layer.rows, scales, np.repeat(grouped, per_group, axis=0))

    def _on_grid(self, name: str, values: np.ndarray) -> np.ndarray:
        return fake_quantize(values, self._grids[name]) if name in self._grids else values
