"""Where the time of an INT8 file goes that is not faster than its float original, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx

from app.engine.quantize.speed.costs import Costs

MOST_REASONS = 8
LEAST_SHARE = 0.03
"""Of the time of the INT8 file: smaller ones explain nothing."""


def explain_slowness(
    graph: onnx.GraphProto, quantized: Collection[str], float_reasons: Mapping[str, str], costs: Costs
) -> tuple[str, ...]:
    """The largest shares of the time that INT8 does not shorten, the largest first.

    Args:
        float_reasons: Node name -> why it is in float.
    """
    total = costs.total_int8_us
    found = [(costs.conversions_us, f"conversions between INT8 and float take {_of(costs.conversions_us, total)}")]
    for node in graph.node:
        spent, before = costs.int8_us.get(node.name, 0.0), costs.float_us.get(node.name, 0.0)
        if node.name not in quantized:
            why = float_reasons.get(node.name, "not quantized")
            found.append((spent, f"{node.name} ({node.op_type}) stays in float and takes {_of(spent, total)}: {why}"))
        elif before and spent >= before:
            words = f"{_ms(spent)} in INT8, {_ms(before)} in float"
            found.append((spent, f"{node.name} ({node.op_type}) is not faster in INT8: {words}"))
    found.sort(key=lambda entry: -entry[0])
    return tuple(words for spent, words in found[:MOST_REASONS] if spent >= LEAST_SHARE * total)


def _of(part: float, total: float) -> str:
    return f"{100 * part / total:.0f} % of the time ({_ms(part)} of {_ms(total)})"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.3g} ms"
