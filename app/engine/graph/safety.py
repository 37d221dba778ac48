"""What must hold before any library looks at an uploaded model closely.

onnx's checker and shape inference, and onnxruntime, follow links to outside data, never return on a tower of functions, and
crash on single nodes (hostile/MEASURED.md). So the parsed message is judged first, by counting alone; the rest of the danger is
left to the limits of the child process this runs in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import onnx

from app.engine.graph import walk
from app.errors import WorkbenchError

Operator = tuple[str, str]
"""Domain and op_type."""
MAXIMUM_NODES = 200_000
"""After inlining every function call."""
DEEPEST_CALLS = 100
"""Functions that call functions; exporters nest some ten."""
MAXIMUM_RANK = 8
OPSETS = range(7, 29)
"""Of the ONNX domain, that onnxruntime 1.32 opens."""
NEWEST_IR = 14
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
ONNX_DOMAINS = frozenset({"", "ai.onnx"})
REFUSED_OPERATORS = frozenset({"EPContext"})
"""Names another file on the server's disk."""


def check_model(model: onnx.ModelProto, *, external: frozenset[str] = frozenset()) -> None:
    """
    Args:
        external: Names of data files that came with the model; references to anything else are refused.

    Raises:
        WorkbenchError: `model.not_onnx`, `model.opset_unsupported`, `model.custom_ops`, `model.too_complex`,
            `model.external_data_missing`, `model.external_data_outside`, `model.invalid`.
    """
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise WorkbenchError(
            "model.not_onnx", "The file has no graph, so it is not an ONNX model.", hint="Export the network as .onnx."
        )
    _check_versions(model)
    _check_operators(model)
    _check_expansion(model)
    for tensor in walk.tensors(model):
        _check_tensor(tensor, external)


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the ONNX operator set; 1 when the file names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ONNX_DOMAINS), default=1)


def _check_versions(model: onnx.ModelProto) -> None:
    opset = opset_of(model)
    if opset not in OPSETS:
        newer = "newer" if opset > OPSETS[-1] else "older"
        raise WorkbenchError(
            "model.opset_unsupported",
            f"The model uses opset {opset}, {newer} than the opsets {OPSETS[0]} to {OPSETS[-1]} that this workbench runs.",
            hint="Export the model again with opset 17.",
        )
    if model.ir_version > NEWEST_IR:
        raise WorkbenchError(
            "model.opset_unsupported",
            f"The file has IR version {model.ir_version}; this workbench reads versions up to {NEWEST_IR}.",
            hint="Export the model again with an older onnx, or opset 17.",
        )


def _check_operators(model: onnx.ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in walk.nodes(model):
        custom = node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in own
        if custom or node.op_type in REFUSED_OPERATORS:
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise WorkbenchError(
                "model.custom_ops",
                f"The model uses the operator {operator}, which is not part of ONNX and needs code that is not in the file.",
                where=node.name or operator,
                hint="Export it with standard operators.",
            )


def _check_expansion(model: onnx.ModelProto) -> None:
    """Nodes after inlining: 30 functions that each call the next twice are a billion nodes in 2 KB, in branches of If, too."""
    bodies = {(function.domain, function.name): _calls(function.node) for function in model.functions}
    sizes: dict[Operator, int] = {}

    def size_of(calls: Counter[Operator], calling: tuple[Operator, ...]) -> int:
        total = 0
        for key, times in calls.items():
            if key in bodies and key not in sizes:
                _check_calls(key, calling)
                sizes[key] = size_of(bodies[key], (*calling, key))
            total += times * sizes.get(key, 1)
        return total

    total = size_of(_calls(model.graph.node), ())
    if total > MAXIMUM_NODES:
        raise WorkbenchError(
            "model.too_complex", f"The model has {total:,} nodes with its functions expanded; {MAXIMUM_NODES:,} are allowed."
        )


def _calls(listed: Iterable[onnx.NodeProto]) -> Counter[Operator]:
    return Counter((node.domain, node.op_type) for node in walk.nodes_within(listed))


def _check_calls(key: Operator, calling: tuple[Operator, ...]) -> None:
    if key in calling:
        raise WorkbenchError("model.too_complex", f"The function {key[1]} calls itself.", where=key[1])
    if len(calling) >= DEEPEST_CALLS:
        raise WorkbenchError(
            "model.too_complex", f"The model's functions call each other more than {DEEPEST_CALLS} deep.", where=key[1]
        )


def _check_tensor(tensor: onnx.TensorProto, external: frozenset[str]) -> None:
    name = tensor.name or "(a constant)"
    if len(tensor.dims) > MAXIMUM_RANK or any(size < 0 for size in tensor.dims):
        raise WorkbenchError(
            "model.invalid",
            f"A tensor has {len(tensor.dims)} axes, the smallest of {min(tensor.dims)}; up to {MAXIMUM_RANK} axes are allowed, "
            "none negative.",
            where=name,
        )
    if tensor.data_location != onnx.TensorProto.EXTERNAL and not tensor.external_data:
        return
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if set(entries) - {"location", "offset", "length", "checksum"}:
        raise WorkbenchError("model.invalid", "A tensor's external data has unknown keys.", where=name)
    plain = location and not any(sign in location for sign in ("..", "\\", ":", "\0", "*")) and not location.startswith("/")
    if not plain:
        raise WorkbenchError(
            "model.external_data_outside",
            "The model keeps weights in a file outside its own folder, which is never opened.",
            where=name,
            hint="Save it as one file, or zip the .onnx file together with its data files.",
        )
    if location not in external:
        raise WorkbenchError(
            "model.external_data_missing",
            f'The weights lie in a second file, "{location}", which is not in the upload.',
            where=name,
            hint="Upload a zip with the .onnx file and its data files, or save the model as one file.",
        )
