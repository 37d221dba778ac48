"""Small float graphs for rewrite rules, and the check that a rule kept their function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from app.engine.graph.rewrites import apply_rewrites
from app.engine.graph.types import infer_types
from app.engine.runtimes import get_runtime


def node(op: str, inputs: Sequence[str], output: str, **attributes: object) -> NodeProto:
    """Named like its output."""
    return helper.make_node(op, list(inputs), [output], name=output, **attributes)


def graph_of(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, object],
    shape: Sequence[int],
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
) -> onnx.ModelProto:
    """Reads `x` of this shape; every value typed, as the preparation leaves graphs. Python numbers become float32 constants."""
    tensors = [
        numpy_helper.from_array(
            np.asarray(value) if isinstance(value, np.ndarray | np.generic) else np.asarray(value, np.float32), name
        )
        for name, value in constants.items()
    ]
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], ends, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model)
    del model.graph.output[:]
    model.graph.output.extend(inferred.graph.output)
    infer_types(model)
    return model


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    """As written, without the runtime's own optimizations."""
    return get_runtime("onnxruntime").open(model.SerializeToString(), optimize=False).run({model.graph.input[0].name: x})


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(entry.op_type for entry in model.graph.node)


def rewritten(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A copy after the exact rewrites, valid; and the names of the rules that applied."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    applied = apply_rewrites(copy)
    onnx.checker.check_model(copy, full_check=True)
    names = [entry.name for entry in copy.graph.node]
    assert len(set(names)) == len(names)
    assert {name for rewrite in applied for name in rewrite.nodes} <= set(names)
    return copy, tuple(rewrite.name for rewrite in applied)


def assert_same_function(before: onnx.ModelProto, after: onnx.ModelProto, *, seed: int = 0, spread: float = 4.0) -> None:
    """On values of a few units, so that limits and both signs occur; 1e-5 of the largest output is float32 rounding."""
    shape = [dim.dim_value for dim in before.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)
    for expected, got in zip(run(before, x), run(after, x), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * float(np.abs(expected).max(initial=1e-3)))


def assert_untouched(model: onnx.ModelProto) -> None:
    copy, applied = rewritten(model)
    assert applied == ()
    assert copy.graph.node == model.graph.node
