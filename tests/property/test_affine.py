"""What must hold for every tensor and every range; onnxruntime's own operators are the oracle, bit for bit."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

from app.engine.numerics.affine import MIN_SCALE, QParams, compute_qparams, dequantize, fake_quantize, quantize
from app.engine.runtimes import get_runtime
from app.engine.runtimes.base import Session

KINDS = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}
MODES = [(dtype, symmetric) for dtype in KINDS for symmetric in (False, True)]
finite = st.floats(-1e4, 1e4, width=32)
tensors = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=finite)
ranges = st.tuples(finite, finite).map(sorted)
modes = st.sampled_from(MODES)


@cache
def _operator(op_type: str, dtype: str, axis: int | None) -> Session:
    """A model of one QuantizeLinear or DequantizeLinear whose scale and zero point are inputs."""
    real, whole = TensorProto.FLOAT, KINDS[dtype]
    source, target = (real, whole) if op_type == "QuantizeLinear" else (whole, real)
    node = helper.make_node(op_type, ["x", "s", "z"], ["y"], **({} if axis is None else {"axis": axis}))
    size = [] if axis is None else ["c"]
    inputs = [("x", source, None), ("s", real, size), ("z", whole, size)]
    graph = helper.make_graph(
        [node],
        op_type,
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_tensor_value_info("y", target, None)],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return get_runtime("onnxruntime").open(model.SerializeToString(), optimize=False)


def _oracle(op_type: str, x: np.ndarray, q: QParams) -> np.ndarray:
    return _operator(op_type, q.zero_point.dtype.name, q.axis).run({"x": x, "s": q.scale, "z": q.zero_point})[0]


def _channel_ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    others = tuple(i for i in range(x.ndim) if i != 1)
    return x.min(axis=others), x.max(axis=others)


@settings(deadline=None)
@given(tensors, ranges, modes)
def test_quantize_and_dequantize_are_bit_equal_to_onnxruntime(x: np.ndarray, limits: Any, mode: Any) -> None:
    q = compute_qparams(*limits, mode[0], symmetric=mode[1])
    x_q = quantize(x, q)
    np.testing.assert_array_equal(x_q, _oracle("QuantizeLinear", x, q), strict=True)
    np.testing.assert_array_equal(dequantize(x_q, q), _oracle("DequantizeLinear", x_q, q), strict=True)


@settings(deadline=None)
@given(tensors, modes)
def test_per_channel_is_bit_equal_to_onnxruntime(x: np.ndarray, mode: Any) -> None:
    q = compute_qparams(*_channel_ranges(x), mode[0], symmetric=mode[1], axis=1)
    x_q = quantize(x, q)
    np.testing.assert_array_equal(x_q, _oracle("QuantizeLinear", x, q), strict=True)
    np.testing.assert_array_equal(dequantize(x_q, q), _oracle("DequantizeLinear", x_q, q), strict=True)


@given(ranges, modes)
def test_zero_survives_exactly(limits: Any, mode: Any) -> None:
    q = compute_qparams(*limits, mode[0], symmetric=mode[1])
    assert fake_quantize(np.zeros((1, 1), np.float32), q).item() == 0.0


@given(tensors, modes)
def test_error_inside_the_range_is_at_most_half_a_step(x: np.ndarray, mode: Any) -> None:
    q = compute_qparams(x.min(), x.max(), mode[0], symmetric=mode[1])
    # Half a step, and the rounding of the zero point (asymmetric) that may push an end of the range out by half a step more.
    steps = 0.5 if mode[1] else 1.0
    tolerance = steps * float(q.scale) + 1e-5 * float(np.abs(x).max())  # float32 rounds x / s and the product
    assert np.abs(fake_quantize(x, q) - x).max() <= tolerance


@given(tensors, ranges, modes)
def test_quantize_is_monotone_and_fake_quantize_idempotent(x: np.ndarray, limits: Any, mode: Any) -> None:
    q = compute_qparams(*limits, mode[0], symmetric=mode[1])
    ordered = np.sort(x.ravel())
    assert (np.diff(quantize(ordered, q).astype(int)) >= 0).all()
    once = fake_quantize(x, q)
    np.testing.assert_array_equal(fake_quantize(once, q), once)


@pytest.mark.parametrize(("dtype", "symmetric"), MODES)
def test_degenerate_ranges_have_a_documented_scale(dtype: Any, symmetric: bool) -> None:
    assert compute_qparams(0.0, 0.0, dtype, symmetric=symmetric).scale == 1.0
    assert compute_qparams(0.0, 1e-30, dtype, symmetric=symmetric).scale == np.float32(MIN_SCALE)
    positive = compute_qparams(3.0, 5.0, dtype, symmetric=symmetric)
    assert fake_quantize(np.float32([[0.0]]), positive) == 0.0


@pytest.mark.parametrize("limits", [(np.nan, 1.0), (0.0, np.inf), (2.0, 1.0)])
def test_impossible_ranges_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="range"):
        compute_qparams(*limits, "int8", symmetric=True)


def test_worked_example() -> None:
    q = compute_qparams(-1.0, 3.0, "uint8", symmetric=False)
    assert q.scale == np.float32(4 / 255)
    assert q.zero_point == 64  # 1 / (4 / 255) = 63.75
    np.testing.assert_array_equal(quantize(np.float32([-9.0, -1.0, 0.0, 3.0, 9.0]), q), np.uint8([0, 0, 64, 255, 255]))
    halves = QParams(np.asarray(1, np.float32), np.asarray(0, np.int8))
    np.testing.assert_array_equal(quantize(np.float32([0.5, 1.5, 2.5, -0.5, -1.5]), halves), np.int8([0, 2, 2, 0, -2]))
