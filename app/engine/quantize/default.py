"""INT8 Default: observe, estimate ranges, place, insert. The same three functions make every candidate of a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx

from app.engine.calibration.observers import TensorStatistics
from app.engine.calibration.range_estimators import get_range_estimator
from app.engine.quantize.placement import ONNXRUNTIME, Placement, place
from app.engine.quantize.qdq import activation_range, insert_qdq
from app.engine.quantize.recipe import QuantizationSettings


def choose_samples(available: int, settings: QuantizationSettings) -> tuple[int, ...]:
    """Calibration sample numbers, in the order they are seen: a seeded draw without replacement, at most all there are."""
    order = np.random.default_rng(settings.seed).permutation(available)
    return tuple(int(number) for number in order[: settings.subset_size])


def observed_tensors(model: onnx.ModelProto, placement: Placement) -> tuple[str, ...]:
    """Names of the float activations that the placed nodes read or write, in graph order."""
    constants = {tensor.name for tensor in model.graph.initializer}
    names: dict[str, None] = {}
    quantized = set(placement.quantized)
    for node in model.graph.node:
        if node.name in quantized:
            inputs = node.input[:1] if node.op_type in {"Reshape", "Clip", "Squeeze", "Unsqueeze"} else node.input
            names.update(dict.fromkeys(name for name in (*inputs, *node.output) if name and name not in constants))
    return tuple(names)


def quantize_default(
    prepared: onnx.ModelProto,
    statistics: Mapping[str, TensorStatistics],
    settings: QuantizationSettings,
    keep_float: Collection[str] = (),
) -> tuple[onnx.ModelProto, Placement]:
    """The INT8 model of a prepared graph, `keep_float` nodes in float."""
    placement = place(prepared, ONNXRUNTIME, keep_float)
    if not placement.quantized:
        return prepared, placement
    return insert_qdq(prepared, placement, estimate_ranges(statistics, settings)), placement


def estimate_ranges(
    statistics: Mapping[str, TensorStatistics], settings: QuantizationSettings
) -> dict[str, tuple[float, float]]:
    estimator = get_range_estimator(settings.range_estimator)
    return {name: activation_range(*estimator(seen), settings.preset) for name, seen in statistics.items()}
