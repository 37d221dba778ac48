"""Which nodes become INT8, by the profile of the runtime that will run the file.

A profile lists what has integer kernels *there* (placement.md §1, §9): quantizing anything else only adds conversions.
Here the onnxruntime profile. Roles:

    weighted      Conv, ConvTranspose, Gemm, MatMul with constant weights: where the time goes; INT8 starts and ends here
    elementwise   integer kernels that keep a chain of weighted nodes integer (Add of two branches, Concat, …)
    carrying      moves or selects values, so output and input share scale and zero point (MaxPool, Reshape, …)
    folded        disappears into the producer's output range (Relu, Clip)

A layer is *heavy* with at least 1 % of the multiply-adds of the largest one. Heavy layers become INT8 wherever they stand,
others only where they read a quantized value. Everything else must lie on an integer path: behind a quantized value, and before
a layer through nothing but nodes that can be INT8. So the tail behind the last layer (Softmax, decoding, a tiny layer behind
that) and what feeds only float nodes (LayerNorm, attention products) stay float; nothing is converted that need not be.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import onnx

from app.engine.quantize.profiles import ONNXRUNTIME, PROFILES, Profile
from app.engine.quantize.support import NOT_CONSTANT, GraphFacts, clip_limits, read_by_subgraphs, why_no_integer_form
from app.errors import WorkbenchError

REVERTED = "put back to float by the accuracy search"
NO_KERNEL = "has no integer kernel in this runtime"
NOT_BETWEEN = "does not lie between quantized layers"
TOO_SMALL = "has too few multiply-adds to pay for conversions"
HEAVY_SHARE = 0.01
"""Of the multiply-adds of the largest layer."""

__all__ = ["NOT_CONSTANT", "ONNXRUNTIME", "PROFILES", "REVERTED", "Placement", "Profile", "place", "user_choice"]


@dataclass(frozen=True)
class Placement:
    quantized: tuple[str, ...]
    """Node names in graph order."""
    groups: tuple[str, ...]
    """Those that can be put back to float one by one: weighted and elementwise nodes."""
    kept_in_float: dict[str, str]
    """Every other node that computes: name -> reason."""


def place(model: onnx.ModelProto, profile: Profile, keep_float: Mapping[str, str] | None = None) -> Placement:
    """Decide for each node of a prepared graph (unique names, topological order).

    Args:
        keep_float: Node name -> the reason why it stays in float although it could be quantized. A Relu or Clip follows the
            node whose range it is folded into.
    """
    rules = _Rules(model, profile, keep_float or {})
    quantized: list[str] = []
    groups: list[str] = []
    reasons: dict[str, str] = {}
    for node in model.graph.node:
        reason = rules.why_float(node)
        if reason is not None:
            reasons[node.name] = reason
            continue
        rules.quantized_values.update(node.output)
        quantized.append(node.name)
        if node.op_type in profile.weighted | profile.elementwise:
            groups.append(node.name)
    return Placement(tuple(quantized), tuple(groups), reasons)


def user_choice(graph: onnx.GraphProto, patterns: Sequence[str]) -> dict[str, str]:
    """Node name -> reason, for the nodes that the user wants in float.

    Args:
        patterns: Names of nodes with `*`, `?`, `[…]`, or operator types; case counts.

    Raises:
        WorkbenchError: `settings.keep_float` for a pattern that matches no node.
    """
    chosen: dict[str, str] = {}
    for pattern in patterns:
        matched = [node.name for node in graph.node if node.op_type == pattern or fnmatchcase(node.name, pattern)]
        if not matched:
            known = {name.lower(): name for node in graph.node for name in (node.op_type, node.name)}
            near = [known[name] for name in difflib.get_close_matches(pattern.lower(), known, n=3)]
            raise WorkbenchError(
                "settings.keep_float",
                f"“{pattern}” is neither the name of a node of this model, nor a pattern of one, nor an operator in it.",
                where="keep_float",
                hint=f"Near it: {', '.join(near)}."
                if near
                else "Names of nodes are listed by `workbench inspect`; case counts.",
            )
        chosen.update({name: f"kept in float by the setting “{pattern}”" for name in matched if name not in chosen})
    return chosen


class _Rules:
    def __init__(self, model: onnx.ModelProto, profile: Profile, keep_float: Mapping[str, str]) -> None:
        nodes = list(model.graph.node)
        facts = GraphFacts(model)
        self._profile, self._keep, self._index = profile, keep_float, facts.index
        self._constants = facts.constants
        self._visible = {value.name for value in model.graph.output} | read_by_subgraphs(model.graph.node)
        self._unable = {node.name: self._without_kernel(node, facts) for node in nodes}
        self._heavy = self._heavy_layers(nodes, facts)
        self._leading = self._values_that_lead_to_layers(nodes)
        self.quantized_values: set[str] = set()

    def why_float(self, node: onnx.NodeProto) -> str | None:
        """None when the node becomes INT8; nodes are asked in graph order."""
        unable = self._unable[node.name]
        if unable is not None:
            return unable
        if node.name in self._heavy:
            return None
        if not any(name in self.quantized_values for name in node.input if name not in self._constants):
            return TOO_SMALL if node.op_type in self._profile.weighted else NOT_BETWEEN
        leads = node.op_type in self._profile.weighted or any(name in self._leading for name in node.output)
        return None if leads or self._vanishes(node) else NOT_BETWEEN

    def _without_kernel(self, node: onnx.NodeProto, facts: GraphFacts) -> str | None:
        if node.domain not in {"", "ai.onnx"} or node.op_type not in self._profile.known:
            return NO_KERNEL
        if node.op_type not in self._profile.folded and node.name in self._keep:
            return self._keep[node.name]
        return why_no_integer_form(node, facts)

    def _heavy_layers(self, nodes: list[onnx.NodeProto], facts: GraphFacts) -> set[str]:
        """A layer of unknown size counts as heavy."""
        work = {node.name: facts.multiply_adds(node) for node in nodes if node.op_type in self._profile.weighted}
        least = HEAVY_SHARE * max((count for count in work.values() if count is not None), default=0)
        return {name for name, count in work.items() if self._unable[name] is None and (count is None or count >= least)}

    def _values_that_lead_to_layers(self, nodes: list[onnx.NodeProto]) -> set[str]:
        """Read by a layer that can be INT8, directly or through nodes that can."""
        leading: set[str] = set()
        for node in reversed(nodes):
            leads = node.op_type in self._profile.weighted or any(name in leading for name in node.output)
            if leads and self._unable[node.name] is None:
                leading.update(name for name in node.input if name and name not in self._constants)
        return leading

    def _vanishes(self, node: onnx.NodeProto) -> bool:
        """A Relu or Clip at the end of an integer chain costs nothing when its producer rounds to the range it leaves."""
        limits = clip_limits(node, self._constants) if node.op_type in self._profile.folded else None
        if limits is None or not limits[0] <= 0 <= limits[1] or node.input[0] in self._visible:
            return False
        producer = self._index.producer(node.input[0])
        return (
            producer is not None
            and producer.op_type not in self._profile.carrying | self._profile.float_output
            and len(self._index.consumers(node.input[0])) == 1
        )
