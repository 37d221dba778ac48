"""Plan against reality: the kernels that the runtime takes for a written file, and what to place anew where they differ.

planned      runs as                        what is done
INT8         integer kernel                 nothing
INT8         float kernel                   stays in float, for it costs conversions and gains nothing
float        float kernel                   nothing
float        kernel on rounded weights      told: a barrier is missing (barrier.py)
float        slow 8-bit pooling, resizing   told
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.placement import Placement, Profile, place
from app.engine.quantize.recipe import KernelReport
from app.engine.quantize.support import GraphFacts
from app.engine.runtimes.kernels import LAYERS, Kernel, KernelTable, read_kernels

RUNS_IN_FLOAT = "onnxruntime runs it in float although its input, weights and output are integers"
ROUNDS = 3
"""Every round keeps more nodes in float; most files need one."""


@dataclass(frozen=True)
class Verified:
    model: onnx.ModelProto
    placement: Placement
    report: KernelReport


def assemble_verified(
    prepared: onnx.ModelProto, profile: Profile, keep_float: Mapping[str, str], fitted: Fitted, folder: Path
) -> Verified:
    """The INT8 file, placed anew until the runtime does what is planned.

    Args:
        keep_float: Node name -> reason.
        folder: For temporary files.
    """
    kept = dict(keep_float)
    for _ in range(ROUNDS):
        placement = place(prepared, profile, kept)
        model = assemble(prepared, placement, fitted)
        table = read_kernels(model, folder)
        failed = not_integer(prepared, placement, table)
        if not failed:
            break
        kept |= dict.fromkeys(failed, RUNS_IN_FLOAT)
    return Verified(model, placement, kernel_report(prepared, placement, table))


def verify(prepared: onnx.ModelProto, placement: Placement, model: Path | onnx.ModelProto, folder: Path) -> KernelReport:
    """What the runtime makes of `model`, the file of this placement."""
    return kernel_report(prepared, placement, read_kernels(model, folder))


def not_integer(prepared: onnx.ModelProto, placement: Placement, table: KernelTable) -> tuple[str, ...]:
    """Layers that are planned as INT8 and run in float, in graph order."""
    placed, kernels = set(placement.quantized), table.by_node()
    return tuple(
        node.name
        for node in prepared.graph.node
        if node.name in placed and node.op_type in LAYERS and not (node.name in kernels and kernels[node.name].integer)
    )


def kernel_report(prepared: onnx.ModelProto, placement: Placement, table: KernelTable) -> KernelReport:
    integer = sum(kernel.integer for kernel in table.layers)
    return KernelReport(
        integer_kernels=integer,
        float_kernels=len(table.layers) - integer,
        conversions=table.conversions,
        integer_multiply_adds=_integer_share(prepared, table),
        surprises=_surprises(prepared, placement, table),
    )


def _integer_share(prepared: onnx.ModelProto, table: KernelTable) -> float | None:
    facts, kernels = GraphFacts(prepared), table.by_node()
    counts = {node.name: facts.multiply_adds(node) for node in prepared.graph.node if node.op_type in LAYERS}
    total = sum(count or 0 for count in counts.values())
    if total == 0 or None in counts.values():
        return None
    return sum(count or 0 for name, count in counts.items() if name in kernels and kernels[name].integer) / total


def _surprises(prepared: onnx.ModelProto, placement: Placement, table: KernelTable) -> tuple[str, ...]:
    placed, kernels, failed = set(placement.quantized), table.by_node(), set(not_integer(prepared, placement, table))
    told = []
    for node in prepared.graph.node:
        kernel = kernels.get(node.name)
        who = f"{node.op_type} {node.name}"
        if node.name in failed:
            told.append(f"{who} was planned as integer and runs as float{_how(kernel)}.")
        elif node.name not in placed and kernel is not None and (kernel.integer or kernel.rounded_weights):
            told.append(f"{who} was planned as float, but onnxruntime quantizes its weights by itself{_how(kernel)}.")
        elif node.name in table.others and node.name in placement.kept_in_float:
            told.append(f"{who} was planned as float and runs on integers.")
        elif node.name in table.slow:
            told.append(f"{who} runs in onnxruntime's slow 8-bit kernel.")
    return tuple(told)


def _how(kernel: Kernel | None) -> str:
    if kernel is None:
        return ": no kernel of onnxruntime's optimized graph computes it under its name"
    weights = ", which first makes floats of its integer weights" if kernel.rounded_weights else ""
    return f" (kernel {kernel.op_type}{weights})"
