"""Contiguous regions that would be faster in float, borders included: a minimum cut of the graph.

    x_u    1 when unit u is in float, 0 in INT8
    E(x)   sum over units of (f(u) if x_u else q(u)) + w k sum over values v of |v| [v crosses between INT8 and float]

f, q, k of `costs`, units and values of `units`; |v| the elements of v; w a weight on borders. Units that cannot be INT8 are
fixed at x = 1. A value counts once for all its readers: it is a node of the cut, tied to its writer and to each reader.

E is a model: it knows nothing of caches and of what the runtime fuses elsewhere. So it is minimized for several w, each
connected region that some minimum puts in float is a proposal, and so is each minimum as a whole; measuring decides.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from app.engine.quantize.speed.costs import Costs
from app.engine.quantize.speed.mincut import minimize_labels
from app.engine.quantize.speed.units import Units, find_units

BORDER_WEIGHTS = (1.0, 0.5, 2.0)
LEAST_GAIN = 0.004
"""Of the time of the file: less is not seen in a race."""


@dataclass(frozen=True)
class Region:
    nodes: tuple[str, ...]
    """In graph order."""
    gain_us: float
    """By E, with the weight on borders that proposed the region."""
    connected: bool = True
    """False for all regions of one minimum together."""


def propose_regions(model: onnx.ModelProto, quantized: Collection[str], costs: Costs) -> tuple[Region, ...]:
    """Regions of INT8 nodes that the profile wants in float; connected ones before several at once, large gains first.

    Args:
        model: The float graph, nodes with unique names in topological order.
        quantized: Names of the nodes that are INT8 now.
    """
    units = find_units(model, quantized, costs)
    position = {node.name: number for number, node in enumerate(model.graph.node)}
    found: dict[tuple[str, ...], Region] = {}
    for weight in BORDER_WEIGHTS:
        chosen = _minimum(units, weight * costs.crossing_us)
        for part in (*_connected(units, chosen), chosen):
            region = _region(units, part, position, weight * costs.crossing_us, connected=part is not chosen)
            if len(region.nodes) < len(quantized):
                found.setdefault(region.nodes, region)
    worthwhile = [region for region in found.values() if region.gain_us >= LEAST_GAIN * costs.total_int8_us]
    return tuple(sorted(worthwhile, key=lambda region: (not region.connected, -region.gain_us, region.nodes)))


def _minimum(units: Units, crossing_us: float) -> set[int]:
    """Units that are INT8 now and float at the minimum of E."""
    fixed, values = units.fixed, len(units.values)
    in_int8 = [np.inf if never else cost for never, cost in zip(fixed, units.int8_us, strict=True)]
    in_float = [0.0 if never else cost for never, cost in zip(fixed, units.float_us, strict=True)]
    ties = [
        (len(fixed) + number, unit, crossing_us * value.elements)
        for number, value in enumerate(units.values)
        for unit in value.units
    ]
    labels = minimize_labels(in_int8 + [0.0] * values, in_float + [0.0] * values, ties)
    return {unit for unit, never in enumerate(fixed) if labels[unit] and not never}


def _connected(units: Units, chosen: set[int]) -> list[set[int]]:
    """The chosen units in parts that share no value."""
    neighbours: dict[int, set[int]] = {unit: set() for unit in chosen}
    for value in units.values:
        ends = chosen.intersection(value.units)
        for unit in ends:
            neighbours[unit] |= ends
    parts: list[set[int]] = []
    left = set(chosen)
    while left:
        part: set[int] = set()
        waiting = [min(left)]
        while waiting:
            unit = waiting.pop()
            if unit not in part:
                part.add(unit)
                waiting += neighbours[unit]
        parts.append(part)
        left -= part
    return parts


def _region(units: Units, part: set[int], position: dict[str, int], crossing_us: float, *, connected: bool) -> Region:
    nodes = sorted((name for unit in part for name in units.quantized[unit]), key=position.__getitem__)
    kernels = sum(units.int8_us[unit] - units.float_us[unit] for unit in part)
    borders = crossing_us * (_crossings(units, part, set()) - _crossings(units, part, part))
    return Region(tuple(nodes), kernels + borders, connected)


def _crossings(units: Units, around: set[int], in_float: set[int]) -> int:
    """Elements of the values at these units that cross when `in_float` and the fixed units are float."""
    fixed = units.fixed
    total = 0
    for value in units.values:
        if around.intersection(value.units):
            total += value.elements if len({fixed[unit] or unit in in_float for unit in value.units}) == 2 else 0
    return total
