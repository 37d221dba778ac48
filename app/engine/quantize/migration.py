"""Migration of difficulty: channels that are loud in an activation are made quiet there and loud in the weights behind it.

A few channels of a transformer's normalized activations are 10 to 100 times louder than the rest; one grid for all of them
leaves the rest a handful of steps. Weights have a grid per output channel and room to spare.

| symbol | meaning | shape | dtype |
| --- | --- | --- | --- |
| x | activation that only constant matrices read | (…, K) | float32 |
| m | max abs x per channel over the samples | (K,) | float32 |
| w | max abs of the rows of all matrices that read x | (K,) | float32 |
| a | migration strength | () | 0..1 |
| s | factors | (K,) | float32 |

    s_j = m_j^a / w_j^(1 - a), to the nearest power of two           x' = x / s,   W' = diag(s) W,   x' W' = x W

Source: SmoothQuant (Xiao et al., arXiv 2211.10438), eq. 3, 4. Deviations: a is chosen per group from STRENGTHS, by the relative
error of the layers' outputs on sampled rows, and a group stays as it is unless that falls by GAIN; powers of two, so that every
product of the float model stays the same to the last bit; not only LayerNormalization takes the factors (migration_groups.py).
A group without an exact fold is left alone. One result for static and dynamic INT8: the float model, in another form.

Degenerate inputs: a channel that is 0 on all samples or has no weights keeps s = 1; NaN or infinity in x is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.numerics.affine import compute_qparams, fake_quantize
from app.engine.quantize.constant_editor import ConstantEditor
from app.engine.quantize.merging import merge_equal_nodes
from app.engine.quantize.migration_groups import MigrationGroup, find_groups
from app.engine.quantize.value_reader import ValueReader
from app.engine.quantize.weights import QMAX, SMALLEST_WEIGHT_SCALE
from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError

STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
GAIN = 0.05
"""The error must fall by this share, or nothing is changed."""
ROWS = 256
"""Sampled rows of x per group that judge a strength."""
LARGEST_EXPONENT = 10
"""s within 2^-10..2^10: no product leaves float32's normal range."""
SAME_CHANNELS_RTOL = 1e-4

NO_GAIN = "no strength lowers the error"
OTHER_CHANNELS = "its channels are not those of the constants in front"


@dataclass(frozen=True)
class MigratedGroup:
    value: str
    strength: float
    error_before: float
    """Noise over signal of the layers' outputs, summed over the layers."""
    error_after: float


@dataclass(frozen=True)
class Migration:
    model: onnx.ModelProto
    """The same function, equal nodes merged."""
    migrated: tuple[MigratedGroup, ...]
    left: dict[str, str]
    """Input of a constant matrix -> why nothing was moved out of it."""


@dataclass(frozen=True)
class _Observed:
    low: np.ndarray
    """(K,) over all samples."""
    high: np.ndarray
    rows: np.ndarray
    """(n, K)."""


def migrate(runtime: Runtime, prepared: onnx.ModelProto, samples: Sequence[np.ndarray], *, threads: int) -> Migration:
    """
    Args:
        prepared: One input, unique node names, weights as initializers.
        samples: Input tensors, one batch of the model each.

    Raises:
        WorkbenchError: `calibration.not_finite`.
    """
    merged = onnx.ModelProto()
    merged.CopyFrom(prepared)
    merge_equal_nodes(merged)
    groups, left = find_groups(merged.graph)
    if not groups or not samples:
        return Migration(merged, (), left)
    observed = _observe(runtime, merged, [group.value for group in groups], samples, threads)
    editor = ConstantEditor(merged)
    migrated: list[MigratedGroup] = []
    for group in groups:
        best, factors = _choose(group, observed[group.value], [editor.rows(slot) for slot in group.readers])
        if best is None:
            left[group.value] = NO_GAIN
        elif group.moved and not _same_channels(runtime, merged, group, samples[0], threads):
            left[group.value] = OTHER_CHANNELS
        else:
            editor.move(group, factors)
            migrated.append(best)
    return Migration(editor.model(), tuple(migrated), left)


def _observe(
    runtime: Runtime, model: onnx.ModelProto, values: Sequence[str], samples: Sequence[np.ndarray], threads: int
) -> dict[str, _Observed]:
    """Ranges per channel over all samples, and ROWS rows spread evenly over them."""
    reader = ValueReader(runtime, model, values, threads=threads)
    per_sample = -(-ROWS // len(samples))
    parts: dict[str, list[_Observed]] = {value: [] for value in values}
    for sample in samples:
        for value, x in reader.read(sample).items():
            rows = x.reshape(-1, x.shape[-1])
            seen = _Observed(rows.min(axis=0), rows.max(axis=0), rows[:: -(-len(rows) // per_sample)].copy())
            if not (np.isfinite(seen.low).all() and np.isfinite(seen.high).all()):
                raise WorkbenchError(
                    "calibration.not_finite",
                    "A tensor has NaN or infinite values on the calibration samples, so it has no range.",
                    where=value,
                    hint="Check the preprocessing, and that the FP32 model gives finite values on these samples.",
                )
            parts[value].append(seen)
    return {
        value: _Observed(
            np.min([part.low for part in seen], axis=0),
            np.max([part.high for part in seen], axis=0),
            np.concatenate([part.rows for part in seen]),
        )
        for value, seen in parts.items()
    }


def _choose(group: MigrationGroup, x: _Observed, weights: Sequence[np.ndarray]) -> tuple[MigratedGroup | None, np.ndarray]:
    """The strength with the smallest error, None when it does not gain; and its factors (K,)."""
    quiet = np.maximum(np.abs(x.low), np.abs(x.high))  # (K,)
    heavy = np.max([np.abs(weight).max(axis=0) for weight in weights], axis=0)  # (K,)
    untouched = np.ones(group.channels, np.float32)
    before = _output_error(x, weights, untouched)
    best, kept = before, (0.0, untouched)
    for strength in STRENGTHS:
        factors = _factors(quiet, heavy, strength)
        error = _output_error(x, weights, factors)
        if error < best:
            best, kept = error, (strength, factors)
    if best > (1 - GAIN) * before or best == before:
        return None, untouched
    return MigratedGroup(group.value, kept[0], before, best), kept[1]


def _factors(loud: np.ndarray, heavy: np.ndarray, strength: float) -> np.ndarray:
    """s, (K,) float32."""
    usable = (loud > 0) & (heavy > 0)
    exponents = np.zeros(len(loud))
    exponents[usable] = strength * np.log2(loud[usable]) - (1 - strength) * np.log2(heavy[usable])
    exponents[usable] -= np.median(exponents[usable]) if usable.any() else 0.0
    return np.asarray(np.exp2(np.clip(np.rint(exponents), -LARGEST_EXPONENT, LARGEST_EXPONENT)), np.float32)


def _output_error(x: _Observed, weights: Sequence[np.ndarray], factors: np.ndarray) -> float:
    """Sum over the matrices of ||X W - Q(X / s) Q(s W)||^2 / ||X W||^2; weights (N, K) as rows."""
    grid = compute_qparams(float((x.low / factors).min()), float((x.high / factors).max()), "uint8", symmetric=False)
    rounded = fake_quantize(x.rows / factors, grid)
    total = 0.0
    for weight in weights:
        scaled = weight * factors
        steps = np.maximum(np.abs(scaled).max(axis=1, keepdims=True) / QMAX, SMALLEST_WEIGHT_SCALE)
        wanted = x.rows @ weight.T
        noise = wanted - rounded @ (np.rint(scaled / steps) * steps).T
        signal = float(np.square(wanted, dtype=np.float64).sum())
        total += float(np.square(noise, dtype=np.float64).sum()) / signal if signal > 0 else 0.0
    return total


def _same_channels(runtime: Runtime, model: onnx.ModelProto, group: MigrationGroup, sample: np.ndarray, threads: int) -> bool:
    """Whether factors that differ from channel to channel leave the model's outputs as they are."""
    exponents = np.random.default_rng(0).integers(-3, 4, group.channels)
    editor = ConstantEditor(model)
    editor.move(group, np.exp2(exponents).astype(np.float32))
    values = [*(output.name for output in model.graph.output), group.value]
    old, new = (ValueReader(runtime, each, values, threads=threads).read(sample) for each in (model, editor.model()))
    new[group.value] = new[group.value] * np.exp2(exponents)
    return all(
        np.allclose(old[name], new[name], rtol=SAME_CHANNELS_RTOL, atol=SAME_CHANNELS_RTOL * np.abs(old[name]).max())
        for name in values
    )
