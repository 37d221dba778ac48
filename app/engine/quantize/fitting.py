"""Which integers? Candidates for every layer's weights and bias are made on some calibration samples and judged on others.

    nearest            weights to the nearest step, biases as they are
    bias               the same, biases corrected front to back
    rounding, bias     weights rounded with the second moments of their real input, then biases corrected

No step is always right: bias correction gains 2.5 dB on EfficientNet-Lite0 and loses 0.4 on MobileNet-v2, whose weights lie on
an INT8 grid already (accuracy.md §0.3, §1). So the candidate with the highest SQNR of the outputs on held-out samples, computed
by the runtime's real kernels, is taken; on a tie the simplest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.placement import Placement
from app.engine.quantize.sequential import Effort, SequentialQuantizer
from app.engine.quantize.weights import QuantizedLayer, quantized_layer, round_to_nearest, weight_scales
from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError

FITTING_SAMPLES = 32
HELD_OUT_SAMPLES = 16
"""More than 32 to fit bought nothing; others decide (accuracy.md §3.6)."""
MEMORY_BUDGET_BYTES = 600 * 2**20
LIVE_COPIES = 5
"""Of the largest activation: input and output, float and quantized, and the patches."""


@dataclass(frozen=True)
class Candidate:
    name: str
    sqnr_db: float | None
    """On the held-out samples; None when it was not judged."""
    reason: str = ""
    """Why it was not judged."""


@dataclass(frozen=True)
class Fit:
    layers: dict[str, QuantizedLayer]
    candidates: tuple[Candidate, ...]
    chosen: str


def fit_layers(
    runtime: Runtime,
    prepared: onnx.ModelProto,
    placement: Placement,
    grids: Mapping[str, QParams],
    samples: Sequence[np.ndarray],
    *,
    seed: int,
    threads: int,
    on_progress: Callable[[str, int, int], None],
) -> Fit:
    """
    Args:
        samples: Input tensors, one batch of the model each, in calibration order.
        on_progress: (name of the candidate in work, nodes done, nodes in all).
    """
    layers = find_layers(prepared.graph, frozenset(placement.quantized))
    plain = round_all_to_nearest(layers, grids)
    fitting, held_out = split_samples(samples, largest_activation_bytes(prepared))
    if not held_out:
        return Fit(plain, (Candidate("nearest", None, "too few samples to hold some out"),), "nearest")
    made = {"nearest": plain}
    skipped: list[Candidate] = []
    efforts = {"bias": Effort(second_moment_rounding=False), "rounding, bias": Effort()}
    together = np.concatenate(fitting)
    for name, effort in efforts.items():
        sequential = SequentialQuantizer(runtime, prepared, layers, grids, effort, seed=seed, threads=threads)
        try:
            made[name] = sequential.run(together, partial(on_progress, name))
        except WorkbenchError as error:  # an optional step: without it the model is still quantized, and the log says why
            skipped.append(Candidate(name, None, f"a node does not run alone: {error.message}"))
    reference = _outputs(runtime, prepared, held_out, threads)
    candidates = []
    for name, integers in made.items():
        model = assemble(prepared, placement, Fitted(grids, integers))
        candidates.append(Candidate(name, sqnr_db(reference, _outputs(runtime, model, held_out, threads))))
    best = max(candidates, key=lambda candidate: candidate.sqnr_db or -np.inf)
    return Fit(made[best.name], (*candidates, *skipped), best.name)


def round_all_to_nearest(layers: Mapping[str, Layer], grids: Mapping[str, QParams]) -> dict[str, QuantizedLayer]:
    rounded = {}
    for name, layer in layers.items():
        input_scale = np.float32(grids[layer.activation].scale)
        scales = weight_scales(layer, input_scale)
        rounded[name] = quantized_layer(layer, round_to_nearest(layer.rows, scales), scales, layer.bias, input_scale)
    return rounded


def split_samples(samples: Sequence[np.ndarray], activation_bytes: int) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """(fitting, held out): disjoint; two thirds and one third of few samples; nothing held out of fewer than 3."""
    if len(samples) < 3:
        return samples, ()
    affordable = max(2, MEMORY_BUDGET_BYTES // max(1, LIVE_COPIES * activation_bytes))
    fitting = min(FITTING_SAMPLES, 2 * len(samples) // 3, affordable)
    return samples[:fitting], samples[fitting : fitting + HELD_OUT_SAMPLES]


def largest_activation_bytes(prepared: onnx.ModelProto) -> int:
    """Of one sample, by the inferred shapes; values of unknown shape are not counted."""
    sizes = [0]
    for value in (*prepared.graph.value_info, *prepared.graph.input):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
        if dims and all(dims):
            sizes.append(4 * int(np.prod(dims)))
    return max(sizes)


def _outputs(runtime: Runtime, model: onnx.ModelProto, samples: Sequence[np.ndarray], threads: int) -> np.ndarray:
    session = runtime.open(model.SerializeToString(), threads=threads)
    (entry,) = session.inputs
    return np.concatenate([np.concatenate([y.reshape(-1) for y in session.run({entry.name: x})]) for x in samples])
