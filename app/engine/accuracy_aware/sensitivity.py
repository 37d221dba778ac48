"""How much noise does each group make? Each quantized alone, in the real kernels, compared with FP32 on a few samples.

    y       FP32 outputs of S samples, all scores
    y_g     the same with only group g quantized
    noise   sum (y - y_g)² / sum y²     (relative energy; SQNR = -10 log10 noise)

These noises add up nearly (accuracy.md §5.1, §5.5), and this ranking needed half the groups of the usual one (restore one
group, count images) to reach the same quality.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.placement import ONNXRUNTIME, Placement
from app.engine.runtimes.base import Runtime, Session


@dataclass(frozen=True)
class Sensitivity:
    node: str
    op_type: str
    noise: float


def rank_groups(
    runtime: Runtime,
    prepared: onnx.ModelProto,
    placement: Placement,
    fitted: Fitted,
    inputs: Sequence[np.ndarray],
    *,
    threads: int,
    on_group: Callable[[int, Sensitivity], None],
) -> tuple[Sensitivity, ...]:
    """Groups by falling noise (ties by position in the graph).

    Args:
        inputs: Input tensors as the model takes them, one batch each.
        on_group: Called after each group with how many are done.
    """
    op_types = {node.name: node.op_type for node in prepared.graph.node}
    reference = _outputs(runtime.open(prepared.SerializeToString(), threads=threads), inputs)
    measured: list[Sensitivity] = []
    for group in placement.groups:
        model = assemble(prepared, _alone(prepared, group), fitted)
        outputs = _outputs(runtime.open(model.SerializeToString(), threads=threads), inputs)
        measured.append(Sensitivity(group, op_types[group], relative_noise(reference, outputs)))
        on_group(len(measured), measured[-1])
    return tuple(sorted(measured, key=lambda sensitivity: -sensitivity.noise))


def _alone(prepared: onnx.ModelProto, group: str) -> Placement:
    """Only this node quantized, with the Relu or Clip that its output's grid takes in."""
    node = next(node for node in prepared.graph.node if node.name == group)
    followers = [n.name for n in GraphIndex(prepared.graph).consumers(node.output[0]) if n.op_type in ONNXRUNTIME.folded]
    return Placement((group, *followers), (group,), {})


def relative_noise(reference: np.ndarray, other: np.ndarray) -> float:
    """Energy of the difference over that of the reference; 0 for two zero tensors, infinity when only the reference is 0."""
    noise = float(np.sum(np.square(reference - other)))
    signal = float(np.sum(np.square(reference)))
    if signal == 0:
        return 0.0 if noise == 0 else float("inf")
    return noise / signal


def _outputs(session: Session, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """First output of every batch, (N, scores) float64."""
    (model_input,) = session.inputs
    batches = [session.run({model_input.name: batch}, [session.outputs[0].name])[0] for batch in inputs]
    return np.concatenate([batch.reshape(batch.shape[0], -1) for batch in batches]).astype(np.float64)
