"""What the odd models are made of.

They read `x` (N, 4, 8, 8) unless they say otherwise and have seeded weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SHAPE: tuple[int | str, ...] = ("N", 4, 8, 8)
Builder = Callable[[], onnx.ModelProto]
ODD_MODELS: dict[str, Builder] = {}


def odd(build: Builder) -> Builder:
    ODD_MODELS[build.__name__] = build
    return build


def model_of(
    nodes: Sequence[NodeProto],
    constants: dict[str, np.ndarray],
    *,
    shape: Sequence[int | str | None] | None = SHAPE,
    kind: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("y",),
    output_kind: int = TensorProto.FLOAT,
    opset: int = 17,
    value: str = "x",
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "odd",
        [helper.make_tensor_value_info(value, kind, None if shape is None else list(shape))],
        [helper.make_tensor_value_info(name, output_kind, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """He-scaled for weights (C, K, …)."""
    scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def samples_for(model: onnx.ModelProto, n: int = 32, *, seed: int = 0) -> list[np.ndarray]:
    """Batch 1, a free axis "C" 4 and others 8 long, from 0..1; integers below 16 for an integer input."""
    rng = np.random.default_rng(seed)
    (value,) = [entry for entry in model.graph.input if entry.name not in {t.name for t in model.graph.initializer}]
    kind = value.type.tensor_type
    sizes = [dim.dim_value or (4 if dim.dim_param == "C" else 8) for dim in kind.shape.dim] or [1, 4, 8, 8]
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if np.issubdtype(dtype, np.integer):
        return [rng.integers(0, 16, (1, *sizes[1:])).astype(dtype) for _ in range(n)]
    return [rng.uniform(0, 1, (1, *sizes[1:])).astype(dtype) for _ in range(n)]


def conv(source: str, target: str, weight: str, bias: str = "", name: str = "", **attributes: object) -> NodeProto:
    inputs = [source, weight, bias] if bias else [source, weight]
    return helper.make_node("Conv", inputs, [target], name=name or f"{target}_conv", **{"pads": [1] * 4, **attributes})


def node(op: str, inputs: Sequence[str], target: str, name: str | None = None, **attributes: object) -> NodeProto:
    return helper.make_node(op, list(inputs), [target], name=f"{target}_{op.lower()}" if name is None else name, **attributes)


def two_convolutions(**changes: np.ndarray) -> onnx.ModelProto:
    """conv `first` - Relu - conv `second`; `changes` replaces constants by name (w1, b1, w2, b2)."""
    constants = {
        "w1": normal(8, 4, 3, 3),
        "b1": normal(8),
        "w2": normal(6, 8, 3, 3, seed=1),
        "b2": normal(6, seed=2),
        **changes,
    }
    nodes = [conv("x", "a", "w1", "b1", "first"), node("Relu", ["a"], "r"), conv("r", "y", "w2", "b2", "second")]
    return model_of(nodes, constants)
