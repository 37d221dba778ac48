"""Channel alignment: quiet channels of a value are made louder where the layers around it undo that exactly.

| symbol | meaning |
| --- | --- |
| x | a value between two layers: layer P, then nothing, Relu or Clip(0, h), then only layers Q |
| R | largest magnitude of its grid |
| m_c | largest magnitude of channel c on the calibration samples |
| s_c | factor of channel c |

    s_c = max(1, min(R / (g m_c), LARGEST_FACTOR))^a             rows c of P, b_c of P times s_c; columns c of Q over s_c

One grid serves all channels, so a channel that uses a tenth of it has a tenth of the steps; with s_c it has them all. Relu lets
the factor pass; Clip does as long as s_c x_c <= h: the margin g >= 1 is how much louder than on the calibration samples a
channel may become before it is cut. With g = 1 and a = 1 everywhere the float model itself breaks (9 to 19 dB, accuracy.md
§3.3), so the strength is a candidate that must win on held-out samples. Depthwise readers take the factor into their own weight
scale at no cost; dense ones pay with coarser columns, hence the two kinds.

Source: cross-layer equalization, DFQ (arXiv 1906.04721, §4.1); margin and strengths are ours.
Degenerate inputs: a channel that is always 0 keeps s_c = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper

from app.engine.calibration.statistics import TensorStatistics
from app.engine.graph.index import GraphIndex
from app.engine.numerics.affine import QParams
from app.engine.quantize.layers import Layer

LARGEST_FACTOR = 64.0
CHANGED = 1.05
"""A domain whose largest factor is smaller is left alone."""


@dataclass(frozen=True)
class Strength:
    name: str
    exponent: float
    margin: float
    dense: bool
    """Whether readers that mix channels count, too; else only depthwise ones."""


WINS_BY_DB = 0.5
"""The largest magnitudes are those of all calibration samples, the held-out ones among them, which hides what others would be
cut (EfficientNet-Lite0, margin 1: 0.3 dB better on held-out samples, 2.4 dB worse on new ones). So a little is not enough."""
STRENGTHS = (
    Strength("channels aligned before depthwise layers", 1.0, 2.0, dense=False),
    Strength("channels aligned everywhere, gently", 0.5, 2.0, dense=True),
)


@dataclass(frozen=True)
class Domain:
    value: str
    producer: Layer
    readers: tuple[Layer, ...]


@dataclass(frozen=True)
class Aligned:
    graph: onnx.ModelProto
    statistics: dict[str, TensorStatistics]
    """Those of the aligned values scaled with them; histograms and reservoirs stay as they were."""
    values: tuple[str, ...]


def find_domains(graph: onnx.GraphProto, layers: Mapping[str, Layer], *, dense: bool) -> list[Domain]:
    """Values whose channels may be scaled, in graph order."""
    index = GraphIndex(graph)
    visible = {value.name for value in graph.output}
    shared = _weights_read_twice(graph)
    found = []
    for layer in layers.values():
        value = _behind_activation(index, layer.output, visible)
        readers = tuple(layers[node.name] for node in index.consumers(value) if node.name in layers)
        complete = len(readers) == len(index.consumers(value)) > 0 and value not in visible
        convolutions = layer.op_type == "Conv" and all(reader.op_type == "Conv" for reader in readers)
        fits = all(reader.depthwise or (dense and reader.groups == 1) for reader in readers)
        if complete and convolutions and fits and not shared & {layer.weight_name, *(r.weight_name for r in readers)}:
            found.append(Domain(value, layer, readers))
    return found


def align(
    model: onnx.ModelProto,
    layers: Mapping[str, Layer],
    grids: Mapping[str, QParams],
    statistics: Mapping[str, TensorStatistics],
    strength: Strength,
) -> Aligned:
    """A copy of the float model with the factors in its weights; no values when nothing changes."""
    aligned = onnx.ModelProto()
    aligned.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in aligned.graph.initializer}
    seen, values = dict(statistics), []
    for domain in find_domains(aligned.graph, layers, dense=strength.dense):
        channels = seen[domain.value].channels if domain.value in seen else None
        if channels is None or domain.value not in grids or len(channels.largest) != domain.producer.channels:
            continue
        factors = channel_factors(channels.largest, grids[domain.value], strength)
        if factors.max() < CHANGED:
            continue
        _scale(constants, domain, factors)
        scaled = replace(
            channels,
            minimum=channels.minimum * factors,
            maximum=channels.maximum * factors,
            total=channels.total * factors,
            squares=channels.squares * np.square(factors),
        )
        seen[domain.value] = replace(seen[domain.value], channels=scaled)
        values.append(domain.value)
    return Aligned(aligned, seen, tuple(values))


def channel_factors(largest: np.ndarray, grid: QParams, strength: Strength) -> np.ndarray:
    """(C,) float32 s_c >= 1 of the channels' largest magnitudes."""
    limits = np.iinfo(grid.zero_point.dtype)
    reach = float(grid.scale) * max(limits.max - int(grid.zero_point), int(grid.zero_point) - limits.min)
    room = reach / (strength.margin * np.maximum(np.asarray(largest, np.float64), np.finfo(np.float32).tiny))
    factors = np.clip(room, 1.0, LARGEST_FACTOR) ** strength.exponent
    return np.asarray(np.where(np.asarray(largest) > 0, factors, 1.0), np.float32)


def _scale(constants: Mapping[str, onnx.TensorProto], domain: Domain, factors: np.ndarray) -> None:
    producer = domain.producer
    _multiply(constants[producer.weight_name], factors.reshape(-1, *[1] * (producer.weight.ndim - 1)))
    if producer.bias_name:
        _multiply(constants[producer.bias_name], factors)
    for reader in domain.readers:
        shape = [1] * reader.weight.ndim
        if reader.depthwise:
            per_channel = np.repeat(factors, reader.channels // len(factors))
            _multiply(constants[reader.weight_name], 1 / per_channel.reshape(-1, *shape[1:]))
        else:
            shape[1] = -1
            _multiply(constants[reader.weight_name], 1 / factors.reshape(shape))


def _multiply(tensor: onnx.TensorProto, factors: np.ndarray) -> None:
    scaled = np.asarray(numpy_helper.to_array(tensor) * factors, np.float32)
    tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))


def _behind_activation(index: GraphIndex, value: str, visible: set[str]) -> str:
    readers = index.consumers(value)
    if len(readers) == 1 and value not in visible and _keeps_sign(index, readers[0]):
        return str(readers[0].output[0])
    return value


def _keeps_sign(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Relu, or a Clip from 0 on: what a positive factor passes."""
    if node.op_type == "Relu":
        return True
    if node.op_type != "Clip" or len(node.input) < 2:
        return False
    low = index.initializer(node.input[1])
    return low is not None and float(numpy_helper.to_array(low).reshape(-1)[0]) == 0


def _weights_read_twice(graph: onnx.GraphProto) -> set[str]:
    counted: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            counted[name] = counted.get(name, 0) + 1
    return {name for name, count in counted.items() if count > 1}
