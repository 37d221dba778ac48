"""Which values get a grid, which share one, and which Relu or Clip is folded into the grid of its output.

Sharing (placement.md §1): an op that only moves or selects values keeps its integers only when input and output have the same
scale and zero point; Concat is five times faster then. The inputs of a Concat share its grid unless that breaks one of them:

    a folded Relu or Clip    its grid must end where the Relu or Clip cuts, so it joins nothing that reaches further
    another consumer         an input much smaller than the output keeps its own grid when somebody else reads it, too
                             (for the Concat itself nothing is lost: its output has one grid)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx

from app.engine.graph.index import GraphIndex
from app.engine.quantize.placement import ONNXRUNTIME, Placement, Profile
from app.engine.quantize.pointwise import is_pointwise
from app.engine.quantize.support import GraphFacts, Limits, clip_limits, read_by_subgraphs

ONE_DATA_INPUT = frozenset(
    {
        "Clip",
        "Conv",
        "Expand",
        "Gather",
        "Gemm",
        "MatMul",
        "Reshape",
        "Resize",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Unsqueeze",
    }
)
"""Only their first input is data; the others are shapes, limits or weights. Every input elsewhere."""
MUCH_SMALLER = 4.0
"""Two of eight bits lost by sharing."""


@dataclass(frozen=True)
class TensorPlan:
    gridded: tuple[str, ...]
    """Values with a grid, in graph order."""
    shared: dict[str, str]
    """Value -> representative of its sharing group (itself when alone)."""
    folded: dict[str, str]
    """Relu or Clip node -> the value it reads, whose producer will write the node's output directly."""
    clip: dict[str, Limits]
    """Output value of a folded node, or of a HardSigmoid -> the limits its grid must not exceed."""
    exposed: frozenset[str] = frozenset()
    """Gridded values that a caller or a subgraph reads: they get the rounded ones, so that the producer stays integer."""


def plan_tensors(
    model: onnx.ModelProto,
    placement: Placement,
    signed: Collection[str] = (),
    profile: Profile = ONNXRUNTIME,
    ranges: Mapping[str, Limits] | None = None,
) -> TensorPlan:
    """
    Args:
        signed: Values that go below 0 on the calibration samples.
        ranges: Value -> smallest and largest on the calibration samples; without it sizes are taken as equal.
    """
    facts = GraphFacts(model)
    index, constants = facts.index, facts.constants
    placed = set(placement.quantized)
    visible = {value.name for value in model.graph.output} | read_by_subgraphs(model.graph.node)
    folded, clip = _find_folded(model.graph, index, placed, visible, constants, profile)
    gridded: dict[str, None] = {}
    exposed: set[str] = set()
    for node in model.graph.node:
        if node.name not in placed:
            continue
        data = [] if node.name in folded else data_inputs(node)
        gridded.update(dict.fromkeys(name for name in data if name and name not in constants))
        for name in data_outputs(node):
            consumers = index.consumers(name)
            free = node.op_type in profile.float_output or is_pointwise(node, facts)
            needed = not free or any(consumer.name in placed for consumer in consumers)
            inside = len(consumers) == 1 and consumers[0].name in folded
            if needed and not inside:
                gridded[name] = None
                if name in visible:
                    exposed.add(name)
    shared = _share(model.graph, index, placed, gridded, clip, set(signed), ranges or {}, profile)
    return TensorPlan(tuple(gridded), shared, folded, clip, frozenset(exposed))


def data_inputs(node: onnx.NodeProto) -> list[str]:
    return list(node.input[:1] if node.op_type in ONE_DATA_INPUT else node.input)


def data_outputs(node: onnx.NodeProto) -> list[str]:
    return [name for name in (node.output if node.op_type == "Split" else node.output[:1]) if name]


def _find_folded(
    graph: onnx.GraphProto,
    index: GraphIndex,
    placed: set[str],
    visible: set[str],
    constants: Mapping[str, onnx.TensorProto],
    profile: Profile,
) -> tuple[dict[str, str], dict[str, Limits]]:
    """Relu and Clip that are the only consumer of a placed weighted or elementwise node."""
    folded: dict[str, str] = {}
    clip: dict[str, Limits] = {}
    for node in graph.node:
        if node.name not in placed:
            continue
        if node.op_type == "HardSigmoid":
            clip[node.output[0]] = 0.0, 1.0
        if node.op_type not in profile.folded:
            continue
        source = node.input[0]
        producer = index.producer(source)
        alone = len(index.consumers(source)) == 1 and source not in visible
        if producer is None or producer.name not in placed or not alone or producer.op_type in profile.carrying:
            continue
        limits = clip_limits(node, constants)
        if limits is not None and limits[0] == 0 < limits[1]:  # a symmetric grid would not end at any other limits
            before = clip.get(source, limits)
            folded[node.name] = source
            clip[node.output[0]] = max(limits[0], before[0]), min(limits[1], before[1])
    return folded, clip


@dataclass
class _Group:
    """Values with one grid, and what that grid must respect."""

    low: float = -np.inf
    high: float = np.inf
    signed: bool = False
    members: list[str] = field(default_factory=list)


def _share(
    graph: onnx.GraphProto,
    index: GraphIndex,
    placed: set[str],
    gridded: Collection[str],
    clip: Mapping[str, Limits],
    signed: set[str],
    ranges: Mapping[str, Limits],
    profile: Profile,
) -> dict[str, str]:
    """Union of the values that carrying nodes and Concat tie together."""
    groups = {name: _Group(*clip.get(name, (-np.inf, np.inf)), name in signed, [name]) for name in gridded}

    def unite(kept: _Group, other: _Group) -> None:
        if kept is not other:
            kept.low, kept.high = max(kept.low, other.low), min(kept.high, other.high)
            kept.signed |= other.signed
            kept.members += other.members
            groups.update(dict.fromkeys(other.members, kept))

    for node in graph.node:
        if node.name in placed and node.op_type in profile.carrying:
            tied = [name for name in (*data_inputs(node), *data_outputs(node)) if name in gridded]
            for name in tied[1:]:
                unite(groups[tied[0]], groups[name])
    for node in graph.node:
        output = node.output[0]
        if node.name in placed and node.op_type == "Concat" and output in gridded:
            for name in dict.fromkeys(node.input):
                if name in gridded and _may_share(groups[output], groups[name]) and not _suffers(name, output, index, ranges):
                    unite(groups[output], groups[name])
    return {name: group.members[0] for name, group in groups.items()}


def _may_share(one: _Group, other: _Group) -> bool:
    """Whether a folded Relu or Clip of either still cuts where it did."""
    return one.high == other.high and (one.low == other.low or not (one.signed or other.signed))


def _suffers(name: str, output: str, index: GraphIndex, ranges: Mapping[str, Limits]) -> bool:
    """Whether other readers of a Concat's input would lose bits by its much larger output."""
    if len(index.consumers(name)) < 2 or name not in ranges or output not in ranges:
        return False
    own, whole = (max(abs(low), abs(high)) for low, high in (ranges[name], ranges[output]))
    return own * MUCH_SMALLER < whole
