"""What each node of the float graph costs in two files made of it: the float file and an INT8 one.

| symbol | meaning | unit |
| --- | --- | --- |
| f(n) | time of the kernels that compute node n in the float file | µs |
| q(n) | the same in the INT8 file, conversions not counted | µs |
| k | time per element to cross between the two: rounding or its inverse, and the changes of layout with it | µs |

Kernels are told apart by name (`owner_of`): a kernel that computes several nodes at once counts for the last of them, and a
node without a kernel of its own is computed by its neighbour's (`regions` keeps the two together).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx

from app.engine.runtimes.profile import KernelTime, owner_of

ROUNDING = frozenset({"QuantizeLinear", "DequantizeLinear"})
TRANSPOSING = "Transpose"
BLOCKING = frozenset({"ReorderInput", "ReorderOutput"})
CONVERTING = ROUNDING | BLOCKING | {TRANSPOSING}
SMALLEST_SAMPLE = 4096
"""Elements: the time of smaller kernels is that of the call."""
ROUNDING_US, TRANSPOSING_US, BLOCKING_US = 0.15e-3, 0.25e-3, 0.2e-3
"""Per element where a file has no such kernel to measure (AVX512, one thread)."""


@dataclass(frozen=True)
class Costs:
    float_us: Mapping[str, float]
    """Node -> f; nodes without a kernel of their own are missing."""
    int8_us: Mapping[str, float]
    """Node -> q."""
    conversions_us: float
    """All roundings and reorderings of the INT8 file."""
    crossing_us: float
    """k."""
    total_float_us: float
    total_int8_us: float


def compute_costs(graph: onnx.GraphProto, float_file: Sequence[KernelTime], int8_file: Sequence[KernelTime]) -> Costs:
    """
    Args:
        graph: The float graph that both files were made of, nodes with unique names.
    """
    owners = {name: node.name for node in graph.node for name in node.output if name}
    operators = {node.name: node.op_type for node in graph.node}
    float_us, _ = _attribute(float_file, owners, operators)
    int8_us, conversions = _attribute(int8_file, owners, operators)
    return Costs(
        float_us=float_us,
        int8_us=int8_us,
        conversions_us=sum(kernel.microseconds for kernel in conversions),
        crossing_us=_crossing(float_file, int8_file, conversions),
        total_float_us=sum(kernel.microseconds for kernel in float_file),
        total_int8_us=sum(kernel.microseconds for kernel in int8_file),
    )


def _attribute(
    kernels: Sequence[KernelTime], owners: Mapping[str, str], operators: Mapping[str, str]
) -> tuple[dict[str, float], list[KernelTime]]:
    """(node -> µs, the kernels that only convert)."""
    names: Collection[str] = owners.keys() | operators.keys()
    spent: dict[str, float] = {}
    conversions: list[KernelTime] = []
    for kernel in kernels:
        found = owner_of(kernel.name, names)
        node = None if found is None else owners.get(found, found) if found not in operators else found
        if kernel.op_type in CONVERTING and (node is None or operators[node] != kernel.op_type):
            conversions.append(kernel)
        elif node is not None:
            spent[node] = spent.get(node, 0.0) + kernel.microseconds
    return spent, conversions


def _crossing(float_file: Sequence[KernelTime], int8_file: Sequence[KernelTime], conversions: Sequence[KernelTime]) -> float:
    """INT8 kernels work on N H W C, float ones on blocks of channels: a value passes through N C H W on its way."""
    blocked = [kernel for kernel in (*float_file, *conversions) if kernel.op_type in BLOCKING]
    return (
        _per_element([kernel for kernel in int8_file if kernel.op_type in ROUNDING], ROUNDING_US)
        + _per_element([kernel for kernel in conversions if kernel.op_type == TRANSPOSING], TRANSPOSING_US)
        + _per_element(blocked, BLOCKING_US)
    )


def _per_element(kernels: Sequence[KernelTime], otherwise: float) -> float:
    large = [kernel for kernel in kernels if kernel.elements >= SMALLEST_SAMPLE]
    return sum(kernel.microseconds for kernel in large) / sum(kernel.elements for kernel in large) if large else otherwise
