"""Nodes that the user wants in float: by name, by pattern (`block1/*`) or by operator type."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import onnx

from app.errors import WorkbenchError

BY_REQUEST = "kept in float as asked"


def kept_by_request(graph: onnx.GraphProto, patterns: Sequence[str]) -> dict[str, str]:
    """Node name -> reason, in graph order.

    Raises:
        WorkbenchError: `settings.keep_float` for a pattern that names no node.
    """
    for pattern in patterns:
        if not any(_is_named(node, pattern) for node in graph.node):
            raise WorkbenchError(
                "settings.keep_float",
                f"No node of this model is called “{pattern}”, and none has this operator type.",
                where="keep_float",
                hint="The nodes and their names are listed on the model's page; a star stands for any characters.",
            )
    return {node.name: BY_REQUEST for node in graph.node if any(_is_named(node, pattern) for pattern in patterns)}


def _is_named(node: onnx.NodeProto, pattern: str) -> bool:
    return node.op_type == pattern or fnmatchcase(node.name, pattern)
