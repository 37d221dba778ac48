"""Weights of dynamic INT8 rounded with the second moments of their input (rounding.py), collected in as few passes as fit.

Plain moments, not centred ones: no bias correction follows that would take care of the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx

from app.engine.quantize.dynamic import dynamic_scales
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.rounding import round_with_moments
from app.engine.quantize.safe_pairs import tame_pairs
from app.engine.quantize.value_reader import ValueReader
from app.engine.runtimes.base import Runtime

MOMENTS_BUDGET_BYTES = 256 * 2**20
"""Of the second moments collected in one pass over the samples."""
LARGEST_INNER = 4096
"""K beyond which inverting K x K moments takes minutes: rounded to nearest."""


def round_layers(
    runtime: Runtime,
    graph: onnx.ModelProto,
    names: Sequence[str],
    samples: Sequence[np.ndarray],
    settings: QuantizationSettings,
    threads: int,
) -> dict[str, np.ndarray]:
    """Node -> int8 rows (N, K), of the products that are not too wide."""
    layers = find_layers(graph.graph, frozenset(names))
    readers: dict[str, list[Layer]] = {}
    for layer in layers.values():
        if layer.rows.shape[1] <= LARGEST_INNER:
            readers.setdefault(layer.activation, []).append(layer)
    widths = {value: listed[0].rows.shape[1] for value, listed in readers.items()}
    rounded: dict[str, np.ndarray] = {}
    for values in _affordable(widths):
        for value, moments in _second_moments(runtime, graph, values, samples, threads).items():
            rounded |= _round_together(readers[value], moments, settings)
    return rounded


def _round_together(layers: Sequence[Layer], moments: np.ndarray, settings: QuantizationSettings) -> dict[str, np.ndarray]:
    """All that read one value as one matrix: its moments are inverted once."""
    rows = np.concatenate([layer.rows for layer in layers])
    scales = np.concatenate([np.broadcast_to(dynamic_scales(layer, settings), (layer.channels,)) for layer in layers])
    together = round_with_moments(rows, scales, moments)
    ends = np.cumsum([layer.channels for layer in layers])[:-1]
    parts = zip(layers, np.split(together, ends), strict=True)
    return {layer.node: tame_pairs(layer, part) if settings.weight_bits == 7 else part for layer, part in parts}


def _affordable(widths: Mapping[str, int]) -> Iterator[list[str]]:
    """Values in turn, as many at once as their K x K float64 moments fit the budget."""
    chosen: list[str] = []
    used = 0
    for value, width in widths.items():
        needed = 8 * width * width
        if chosen and used + needed > MOMENTS_BUDGET_BYTES:
            yield chosen
            chosen, used = [], 0
        chosen.append(value)
        used += needed
    if chosen:
        yield chosen


def _second_moments(
    runtime: Runtime, graph: onnx.ModelProto, values: Sequence[str], samples: Sequence[np.ndarray], threads: int
) -> dict[str, np.ndarray]:
    """Value (…, K) -> mean of x x^T over all rows of all samples, (K, K) float64."""
    reader = ValueReader(runtime, graph, values, threads=threads)
    sums: dict[str, np.ndarray] = {}
    rows = dict.fromkeys(values, 0)
    for sample in samples:
        for value, seen in reader.read(sample).items():
            x = seen.reshape(-1, seen.shape[-1])
            sums[value] = sums.get(value, 0.0) + (x.T @ x).astype(np.float64)
            rows[value] += len(x)
    return {value: total / rows[value] for value, total in sums.items()}
