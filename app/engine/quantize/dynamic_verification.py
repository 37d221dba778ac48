"""Plan against reality for dynamic INT8: the kernels that the runtime takes for a written file."""

from __future__ import annotations

from pathlib import Path

import onnx

from app.engine.quantize.dynamic import DynamicModel
from app.engine.quantize.recipe import KernelReport
from app.engine.quantize.support import GraphFacts
from app.engine.runtimes.kernels import read_kernels

RECURRENT = frozenset({"GRU", "LSTM", "RNN"})


def verify_dynamic(graph: onnx.ModelProto, result: DynamicModel, folder: Path) -> KernelReport:
    """
    Args:
        graph: The float graph that `result` was made of.
        folder: For temporary files.
    """
    table = read_kernels(result.model, folder)
    quantized = set(result.quantized)
    planned = sum(node.name in quantized and node.op_type not in RECURRENT for node in graph.graph.node)
    integer = sum(kernel.integer for kernel in table.layers)
    surprises = () if integer == planned else (f"{planned} products were planned as integer, {integer} run on integers.",)
    return KernelReport(
        integer_kernels=integer,
        float_kernels=len(table.layers) - integer,
        conversions=table.conversions,
        integer_multiply_adds=_integer_share(graph, quantized) if integer == planned else None,
        surprises=surprises,
    )


def _integer_share(graph: onnx.ModelProto, quantized: set[str]) -> float | None:
    """Of the multiply-adds of one sample; None when a size is not known, or with recurrent layers, whose are not counted."""
    facts = GraphFacts(graph)
    counts = {node.name: facts.multiply_adds(node) for node in graph.graph.node}
    total = sum(count or 0 for count in counts.values())
    if total == 0 or None in counts.values() or any(node.op_type in RECURRENT for node in graph.graph.node):
        return None
    return sum(count or 0 for name, count in counts.items() if name in quantized) / total
