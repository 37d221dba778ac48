"""Dynamic INT8 as one reads it: migrate, round, judge on held-out samples, write.

    nearest                 weights to the nearest step
    rounding                weights rounded with the second moments of their input               (dynamic_rounding.py)
    migration               loud channels of the activations moved into the weights              (migration.py)
    migration, rounding     both

The candidate with the highest SQNR of the outputs on samples that it has not seen, computed by the runtime's real kernels, is
taken; on a tie the simplest. Without samples, or with effort fast, it is nearest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.numerics.metrics import compute_energies, sqnr_from_energies
from app.engine.quantize.dynamic import DynamicModel, quantize_dynamic
from app.engine.quantize.dynamic_rounding import round_layers
from app.engine.quantize.fitting import Candidate, split_samples
from app.engine.quantize.merging import merge_equal_nodes
from app.engine.quantize.migration import Migration, migrate
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes.base import Runtime


@dataclass(frozen=True)
class DynamicFit:
    result: DynamicModel
    graph: onnx.ModelProto
    """The float graph that the integers belong to."""
    migration: Migration | None
    """None when it was not taken."""
    candidates: tuple[Candidate, ...]
    chosen: str


def fit_dynamic(
    runtime: Runtime,
    prepared: onnx.ModelProto,
    samples: Sequence[np.ndarray],
    settings: QuantizationSettings,
    keep_float: Mapping[str, str] | None = None,
    *,
    threads: int,
    on_candidate: Callable[[str], None] = lambda _name: None,
) -> DynamicFit:
    """
    Args:
        prepared: One input, unique node names, weights as initializers.
        samples: Input tensors, one batch of the model each; the first ones fit, others decide.
        on_candidate: Called with the name of the candidate in work.

    Raises:
        WorkbenchError: `calibration.not_finite`, `quantize.not_finite`.
    """
    plain = onnx.ModelProto()
    plain.CopyFrom(prepared)
    merge_equal_nodes(plain)
    nearest = quantize_dynamic(plain, settings, keep_float)
    fitting, held_out = split_samples(samples, activation_bytes=1)
    if not held_out or settings.effort == "fast":
        reason = "effort fast" if held_out else "too few samples to hold some out"
        return DynamicFit(nearest, plain, None, (Candidate("nearest", None, reason),), "nearest")
    reference = _run(runtime, plain, held_out, threads)
    moved = migrate(runtime, plain, fitting, threads=threads) if settings.alignment else None
    graphs = {"nearest": plain} | ({"migration": moved.model} if moved is not None and moved.migrated else {})
    made: dict[str, tuple[DynamicModel, str]] = {}
    judged: dict[str, float] = {}
    for name, kind in _candidate_names(graphs, rounding=settings.rounding):
        on_candidate(name)
        graph = graphs[kind]
        rounded = round_layers(runtime, graph, nearest.quantized, fitting, settings, threads) if name != kind else {}
        made[name] = quantize_dynamic(graph, settings, keep_float, rounded), kind
        judged[name] = _sqnr_db(reference, _run(runtime, made[name][0].model, held_out, threads))
    best = max(judged, key=lambda name: -math.inf if math.isnan(judged[name]) else judged[name])
    result, kind = made[best]
    candidates = tuple(Candidate(name, value) for name, value in judged.items())
    return DynamicFit(result, graphs[kind], moved if kind == "migration" else None, candidates, best)


def _candidate_names(graphs: Mapping[str, onnx.ModelProto], *, rounding: bool) -> list[tuple[str, str]]:
    """(name, graph it is made of), the simplest first."""
    plain = [(kind, kind) for kind in graphs]
    return plain + ([("rounding" if kind == "nearest" else f"{kind}, rounding", kind) for kind in graphs] if rounding else [])


def _run(runtime: Runtime, model: onnx.ModelProto, samples: Sequence[np.ndarray], threads: int) -> list[list[np.ndarray]]:
    session = runtime.open(model.SerializeToString(), threads=threads)
    (entry,) = session.inputs
    return [session.run({entry.name: sample}) for sample in samples]


def _sqnr_db(reference: Sequence[Sequence[np.ndarray]], other: Sequence[Sequence[np.ndarray]]) -> float:
    """Over all outputs of all samples."""
    signal = noise = 0.0
    for wanted, got in zip(reference, other, strict=True):
        for y_ref, y in zip(wanted, got, strict=True):
            energies = compute_energies(y_ref, y)
            signal, noise = signal + energies[0], noise + energies[1]
    return sqnr_from_energies(signal, noise)
