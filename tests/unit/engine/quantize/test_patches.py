"""im2col against the runtime's own convolution: rows times weights must give the same outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.quantize.layers import find_layers
from app.engine.quantize.patches import sample_rows
from app.engine.runtimes import get_runtime


def single_node(op_type, x_shape, weight, **attributes):
    node = helper.make_node(op_type, ["x", "w"], ["y"], name="layer", **attributes)
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x_shape)
    y = onnx.ValueInfoProto(name="y")
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CONVOLUTIONS = {
    "1x1": ((2, 6, 5, 5), (4, 6, 1, 1), {}),
    "3x3 padded": ((2, 3, 7, 6), (5, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    "strided, uneven pads": ((1, 3, 8, 9), (4, 3, 3, 3), {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
    "dilated": ((1, 2, 9, 9), (3, 2, 3, 3), {"dilations": [2, 2]}),
    "grouped": ((2, 6, 6, 6), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((2, 5, 6, 6), (5, 1, 3, 3), {"group": 5, "strides": [2, 2]}),
    "same upper": ((1, 2, 7, 7), (3, 2, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ((1, 2, 8, 8), (3, 2, 4, 4), {"auto_pad": "SAME_LOWER"}),
    "1-D": ((2, 4, 11), (3, 4, 5), {"pads": [2, 2]}),
}


@pytest.mark.parametrize(("x_shape", "w_shape", "attributes"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_rows_times_weights_are_the_convolution(x_shape, w_shape, attributes):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=x_shape).astype(np.float32), rng.normal(size=w_shape).astype(np.float32)
    model = single_node("Conv", x_shape, weight, **attributes)
    layer = find_layers(model.graph, frozenset({"layer"}))["layer"]
    rows = sample_rows(layer, x, rng)  # (G, n, K)
    weights = layer.rows.reshape(layer.groups, -1, rows.shape[2])  # (G, C/G, K)
    from_rows = np.einsum("gnk,gck->ngc", rows, weights).reshape(rows.shape[1], -1)  # (n, C)
    (y,) = get_runtime("onnxruntime").open(model.SerializeToString()).run({"x": x})
    np.testing.assert_allclose(from_rows, np.moveaxis(y, 1, -1).reshape(-1, y.shape[1]), atol=1e-4)


@pytest.mark.parametrize(("w_shape", "attributes"), [((7, 4), {}), ((4, 7), {"transB": 1})])
def test_rows_of_gemm(w_shape, attributes):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(5, 7)).astype(np.float32), rng.normal(size=w_shape).astype(np.float32)
    model = single_node("Gemm", (5, 7), weight, **attributes)
    layer = find_layers(model.graph, frozenset({"layer"}))["layer"]
    (y,) = get_runtime("onnxruntime").open(model.SerializeToString()).run({"x": x})
    np.testing.assert_allclose(sample_rows(layer, x, rng)[0] @ layer.rows.T, y, atol=1e-4)
    np.testing.assert_array_equal(layer.from_rows(layer.rows), weight)


def test_at_most_the_positions_asked_for():
    x = np.zeros((4, 3, 32, 32), np.float32)
    model = single_node("Conv", x.shape, np.zeros((2, 3, 3, 3), np.float32))
    layer = find_layers(model.graph, frozenset({"layer"}))["layer"]
    assert sample_rows(layer, x, np.random.default_rng(0), positions=100).shape == (1, 100, 27)
