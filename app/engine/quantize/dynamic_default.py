"""Dynamic INT8 as one reads it: migrate, round, judge on held-out samples, write.

    nearest        weights to the nearest step
    migration      loud channels of the activations moved into the weights first            (migration.py)
    …, rounding    the better of the two, weights rounded with the second moments of their input  (dynamic_rounding.py)

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
    fitting, held_out = split_samples(samples, multiply_adds=1)
    if not held_out or settings.effort == "fast":
        reason = "effort fast" if held_out else "too few samples to hold some out"
        return DynamicFit(nearest, plain, None, (Candidate("nearest", None, reason),), "nearest")
    moved = migrate(runtime, plain, fitting, threads=threads) if settings.alignment else None
    graphs = {"nearest": plain} | ({"migration": moved.model} if moved is not None and moved.migrated else {})
    judge = _Judge(runtime, _run(runtime, plain, held_out, threads), held_out, threads)
    made: dict[str, DynamicModel] = {}
    for name, graph in graphs.items():
        on_candidate(name)
        made[name] = nearest if graph is plain else quantize_dynamic(graph, settings, keep_float)
        judge.add(name, made[name])
    kind = judge.best
    if settings.rounding:
        name = "rounding" if kind == "nearest" else f"{kind}, rounding"
        on_candidate(name)
        rounded = round_layers(runtime, graphs[kind], nearest.quantized, fitting, settings, threads)
        made[name] = quantize_dynamic(graphs[kind], settings, keep_float, rounded)
        judge.add(name, made[name])
    migration = moved if kind == "migration" else None
    return DynamicFit(made[judge.best], graphs[kind], migration, judge.candidates, judge.best)


class _Judge:
    """SQNR of the outputs on held-out samples; the first of equals is the best."""

    def __init__(
        self, runtime: Runtime, reference: Sequence[Sequence[np.ndarray]], samples: Sequence[np.ndarray], threads: int
    ) -> None:
        self._runtime, self._reference, self._samples, self._threads = runtime, reference, samples, threads
        self._judged: dict[str, float] = {}

    def add(self, name: str, result: DynamicModel) -> None:
        self._judged[name] = _sqnr_db(self._reference, _run(self._runtime, result.model, self._samples, self._threads))

    @property
    def best(self) -> str:
        return max(self._judged, key=lambda name: -math.inf if math.isnan(self._judged[name]) else self._judged[name])

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(name, value) for name, value in self._judged.items())


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
