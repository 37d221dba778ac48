"""What a file loses on other CPUs, in figures and in words (saturation.py has the arithmetic)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.layers import Layer
from app.engine.quantize.patches import sample_rows
from app.engine.quantize.saturation import LayerRisk, layer_risk, saturates
from app.engine.quantize.value_reader import ValueReader
from app.engine.runtimes.base import Runtime

OLD_CPUS = "x86 CPUs without VNNI (before Intel Cascade Lake and Ice Lake, before AMD Zen 4)"
SAMPLES = 4
POSITIONS = 256
"""Sampled rows per layer: a share of 1 % is then known to 0.6 points per output channel, far better over all channels."""


@dataclass(frozen=True)
class Portability:
    saturates_here: bool
    """Measured on this device with a probe model."""
    layers: tuple[LayerRisk, ...]
    """Those with pairs at risk, the most outputs hit first."""
    sentences: tuple[str, ...]


def assess(
    runtime: Runtime,
    graph: onnx.ModelProto,
    layers: Mapping[str, Layer],
    rows_q: Mapping[str, np.ndarray],
    grids: Mapping[str, QParams],
    samples: Sequence[np.ndarray],
    *,
    threads: int,
) -> Portability:
    """
    Args:
        graph: Float graph that the integers belong to.
        layers: Node name -> layer, of the quantized ones.
        rows_q: Node name -> int8 weights (C, K).
        grids: Value -> grid; empty with dynamic grids, then only a bound is known.
        samples: Input tensors; the first SAMPLES are run.
    """
    observed = {name: layer for name, layer in layers.items() if layer.activation in grids and layer.op_type != "ConvTranspose"}
    patches = _patches(runtime, graph, observed, samples[:SAMPLES], threads)
    risks = [layer_risk(layer, rows_q[name], grids.get(layer.activation), patches.get(name)) for name, layer in layers.items()]
    risky = sorted((risk for risk in risks if risk.pairs > 0), key=lambda risk: (-(risk.outputs_hit or 0.0), -risk.pairs))
    here = saturates(runtime)
    return Portability(here, tuple(risky), _sentences(risky, len(risks), saturates_here=here))


def _patches(
    runtime: Runtime, graph: onnx.ModelProto, layers: Mapping[str, Layer], samples: Sequence[np.ndarray], threads: int
) -> dict[str, np.ndarray]:
    """Node -> (G, n, K) float32, from one sample at a time."""
    if not layers or not samples:
        return {}
    reader = ValueReader(runtime, graph, [layer.activation for layer in layers.values()], threads=threads)
    rng = np.random.default_rng(0)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    for sample in samples:
        seen = reader.read(sample)
        for name, layer in layers.items():
            parts[name].append(sample_rows(layer, seen[layer.activation], rng, POSITIONS // len(samples)))
    return {name: np.concatenate(listed, axis=1) for name, listed in parts.items()}


def _sentences(risky: Sequence[LayerRisk], total: int, *, saturates_here: bool) -> tuple[str, ...]:
    """Where the file suffers, how much, what avoids it."""
    if not risky:
        return (f"The same answers on all CPUs: no product of its {total} integer layers can pass 16 bits.",)
    told = [f"On {OLD_CPUS}, products of {len(risky)} of {total} integer layers can pass 16 bits and are cut off there."]
    if risky[0].outputs_hit is not None:
        mean = sum(risk.outputs_hit or 0.0 for risk in risky) / total
        told.append(
            f"On calibration samples this would hit {100 * mean:.2g} % of a layer's outputs on average, "
            f"at worst {100 * (risky[0].outputs_hit or 0.0):.2g} % ({risky[0].node})."
        )
    here = "This device is one of them" if saturates_here else "This device is not one of them"
    told.append(f"{here}. Weights of 7 bits avoid it, and round more coarsely.")
    return tuple(told)
