"""Gemm and MatMul in the forms that their definition allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto

from tests.support.odd_models.building import model_of, node, normal, odd


def _linear(nodes: Sequence[NodeProto], constants: dict[str, np.ndarray], width: int = 12) -> onnx.ModelProto:
    return model_of(nodes, constants, shape=("N", width))


@odd
def gemm_with_alpha_and_beta() -> onnx.ModelProto:
    nodes = [
        node("Gemm", ["x", "w1", "b1"], "g", alpha=0.5, beta=2.0),
        node("Relu", ["g"], "r"),
        node("Gemm", ["r", "w2", "b2"], "y", alpha=3.0, beta=0.5),
    ]
    return _linear(nodes, {"w1": normal(12, 16), "b1": normal(16), "w2": normal(16, 8), "b2": normal(8)})


@odd
def gemm_with_a_scalar_bias() -> onnx.ModelProto:
    nodes = [node("Gemm", ["x", "w1", "b1"], "g"), node("Relu", ["g"], "r"), node("Gemm", ["r", "w2", "b2"], "y")]
    return _linear(nodes, {"w1": normal(12, 16), "b1": np.float32(0.3), "w2": normal(16, 8), "b2": np.float32([[0.2]])})


@odd
def gemm_with_a_computed_bias() -> onnx.ModelProto:
    """C is another layer's output: a residual connection folded into the Gemm."""
    nodes = [
        node("Gemm", ["x", "w1", "b1"], "g"),
        node("Relu", ["g"], "r"),
        node("Gemm", ["r", "w2", "g"], "h"),
        node("Gemm", ["h", "w3"], "y"),
    ]
    return _linear(nodes, {"w1": normal(12, 16), "b1": normal(16), "w2": normal(16, 16), "w3": normal(16, 8)})


@odd
def gemm_with_transposed_input() -> onnx.ModelProto:
    nodes = [node("Gemm", ["x", "w1", "b1"], "g"), node("Transpose", ["g"], "t"), node("Gemm", ["t", "w2"], "y", transA=1)]
    return _linear(nodes, {"w1": normal(12, 16), "b1": normal(16), "w2": normal(16, 8)})


@odd
def matmul_with_a_vector() -> onnx.ModelProto:
    """(N, 16) @ (16,) -> (N,)."""
    nodes = [node("MatMul", ["x", "w1"], "g"), node("Relu", ["g"], "r"), node("MatMul", ["r", "v"], "y")]
    return _linear(nodes, {"w1": normal(12, 16), "v": normal(16, 1).reshape(-1)})


@odd
def matmul_with_a_stack_of_weights() -> onnx.ModelProto:
    """(N, 3, 4) @ (3, 4, 5): one matrix for each position."""
    nodes = [node("MatMul", ["x", "w1"], "g"), node("Relu", ["g"], "r"), node("MatMul", ["r", "w2"], "y")]
    return model_of(nodes, {"w1": normal(3, 1, 4, 8), "w2": normal(3, 8, 5)}, shape=("N", 3, 1, 4))


@odd
def matmul_with_the_constant_in_front() -> onnx.ModelProto:
    nodes = [node("MatMul", ["w1", "x"], "g"), node("Relu", ["g"], "r"), node("MatMul", ["r", "w2"], "y")]
    return model_of(nodes, {"w1": normal(6, 4), "w2": normal(8, 5)}, shape=("N", 4, 8))


@odd
def inner_size_of_one() -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "w1"], "g"), node("Relu", ["g"], "r"), node("Gemm", ["r", "w2"], "y")]
    return _linear(nodes, {"w1": normal(1, 16), "w2": normal(16, 8)}, width=1)
