"""Integers for every layer's weights and bias, in several ways at once; `fitting.py` judges which one is taken.

    nearest             weights to the nearest step, biases as they are
    nearest, bias       the same, what rounding does to the mean taken out of the bias
    rounding, bias      weights rounded with the second moments of their input, then the bias

    b' = b + (W - W_q) mean(x)        W - W_q: (C, K), mean(x): (K,), the mean row of the layer's float input

The correction is exact for the mean of every output channel (DFQ, arXiv 1906.04721, with measured instead of assumed means).
Weights of "7 bits" keep all steps that no pair of products is too large with (safe_pairs.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from app.engine.calibration.statistics import TensorStatistics
from app.engine.numerics.affine import QParams
from app.engine.quantize.layers import Layer
from app.engine.quantize.moments import InputMoments
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.rounding import round_channels_with_moments, round_with_moments
from app.engine.quantize.safe_pairs import safe_scales, tame_pairs
from app.engine.quantize.weights import QuantizedLayer, quantized_layer, round_to_nearest, weight_scales

NEAREST, BIAS, ROUNDING, ROUNDING_BIAS = "nearest", "nearest, bias", "rounding", "rounding, bias"

Integers = dict[str, QuantizedLayer]
"""Node name -> what replaces its constants."""


def round_all_to_nearest(
    layers: Mapping[str, Layer], grids: Mapping[str, QParams], settings: QuantizationSettings | None = None
) -> Integers:
    settings = settings or QuantizationSettings()
    return {name: _Rounder(layer, grids, settings).packed(None, None) for name, layer in layers.items()}


def correct_by_channel_means(
    layers: Mapping[str, Layer],
    grids: Mapping[str, QParams],
    statistics: Mapping[str, TensorStatistics],
    settings: QuantizationSettings,
) -> Integers:
    """`nearest, bias` from the calibration statistics alone: the mean of a tap is that of its channel, padding not seen."""
    integers = {}
    for name, layer in layers.items():
        seen = statistics.get(layer.activation)
        means = None if seen is None or seen.channels is None else _row_means(layer, seen.channels.mean)
        integers[name] = _Rounder(layer, grids, settings).packed(None, means)
    return integers


def fit_weights(
    moments: Iterable[tuple[Layer, InputMoments | None]], grids: Mapping[str, QParams], settings: QuantizationSettings
) -> Iterable[tuple[Layer, dict[str, QuantizedLayer]]]:
    """Each layer with its integers by the name of the way they were made; ways that the settings switch off are left out."""
    for layer, seen in moments:
        rounder = _Rounder(layer, grids, settings)
        means = None if seen is None else seen.mean
        made = {NEAREST: rounder.packed(None, None)}
        if settings.bias_correction:
            made[BIAS] = rounder.packed(None, means)
        if settings.rounding:
            rows_q = None if seen is None else rounder.rounded(seen)
            made[ROUNDING_BIAS if settings.bias_correction else ROUNDING] = rounder.packed(
                rows_q, means if settings.bias_correction else None
            )
        yield layer, made


class _Rounder:
    """One layer on its grid."""

    def __init__(self, layer: Layer, grids: Mapping[str, QParams], settings: QuantizationSettings) -> None:
        self._layer, self._safe = layer, settings.weight_bits == 7
        self._input_scale = np.float32(grids[layer.activation].scale)
        per_channel = settings.weight_granularity == "per-channel"
        scales = weight_scales(layer, self._input_scale, per_channel=per_channel)
        self._scales = safe_scales(layer, scales) if self._safe else scales
        self._nearest = round_to_nearest(layer.rows, self._scales)

    def rounded(self, seen: InputMoments) -> np.ndarray:
        """(C, K) int8, rounded with the second moments of the input."""
        layer, covariance = self._layer, seen.covariance
        if layer.groups == 1:
            rows_q = round_with_moments(layer.rows, self._scales, covariance[0])
        else:
            each = np.repeat(covariance, layer.channels // layer.groups, axis=0)
            rows_q = round_channels_with_moments(layer.rows, self._scales, each)
        return tame_pairs(layer, rows_q) if self._safe else rows_q

    def packed(self, rows_q: np.ndarray | None, means: np.ndarray | None) -> QuantizedLayer:
        """
        Args:
            rows_q: (C, K) int8; None: nearest.
            means: (G, K) float64 of the input's rows; None: the bias stays.
        """
        layer = self._layer
        rows_q = self._nearest if rows_q is None else rows_q
        bias = layer.bias
        if means is not None and layer.op_type != "MatMul":
            steps = np.broadcast_to(self._scales, (layer.channels,))[:, None]
            lost = layer.rows - rows_q * steps  # (C, K)
            correction = np.sum(lost * np.repeat(means, layer.channels // layer.groups, axis=0), axis=1)
            bias = np.asarray(correction if bias is None else bias + correction, np.float32)
        return quantized_layer(layer, rows_q, self._scales, bias, self._input_scale)


def _row_means(layer: Layer, channels: np.ndarray) -> np.ndarray | None:
    """(G, K) means of a layer's input rows from those of its input channels (C_in,); None where they do not fit."""
    if layer.op_type == "ConvTranspose":
        return None
    if layer.op_type != "Conv":
        return channels[None] if len(channels) == layer.columns else None
    if len(channels) % layer.groups or len(channels) // layer.groups != layer.weight.shape[1]:
        return None
    taps = layer.columns // layer.weight.shape[1]
    return np.repeat(channels.reshape(layer.groups, -1), taps, axis=1)
