"""Nearest resizing as gathers, against the runtime's own Resize."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from app.engine.quantize.resampling import COORDINATES, ROUNDING, nearest_indices
from app.engine.quantize.support import GraphFacts
from app.engine.runtimes import get_runtime

SIZES = [((4, 6), (8, 12)), ((5, 7), (10, 14)), ((4, 6), (12, 6)), ((6, 8), (3, 4)), ((5, 7), (8, 9)), ((3, 3), (7, 1))]


def resize_of(before, after, *, by_sizes, **attributes):
    target = np.array([1, 2, *after], np.int64)
    scales = np.array([1, 1, *np.divide(after, before)], np.float32)
    inputs = ["x", "", "", "to"] if by_sizes else ["x", "", "to"]
    node = helper.make_node("Resize", inputs, ["y"], name="resize", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, *before])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(target if by_sizes else scales, "to")],
    )
    return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("by_sizes", [False, True])
@pytest.mark.parametrize("rounding", sorted(ROUNDING))
@pytest.mark.parametrize("coordinates", sorted(COORDINATES))
def test_gathers_pick_what_resize_picks(coordinates, rounding, by_sizes):
    for before, after in SIZES:
        model = resize_of(
            before, after, by_sizes=by_sizes, coordinate_transformation_mode=coordinates, nearest_mode=rounding, mode="nearest"
        )
        x = np.arange(2 * np.prod(before), dtype=np.float32).reshape(1, 2, *before)
        (wanted,) = get_runtime("onnxruntime").open(model.SerializeToString()).run({"x": x})
        facts = GraphFacts(model)
        indices = nearest_indices(model.graph.node[0], facts.shapes, facts.constant)
        if indices is None:
            # 9/7 of 7 is 8.99… or 9, as one rounds: left to the runtime
            assert not by_sizes
            assert any(float(np.float32(a / b)) != a / b for a, b in zip(after, before, strict=True))
            continue
        rows, columns = indices
        np.testing.assert_array_equal(x[:, :, rows][:, :, :, columns], wanted, err_msg=f"{before} to {after}")


@pytest.mark.parametrize(
    "attributes", [{"mode": "linear"}, {"mode": "cubic"}, {"coordinate_transformation_mode": "tf_crop_and_resize"}], ids=str
)
def test_any_other_resize_is_left(attributes):
    model = resize_of((4, 4), (8, 8), by_sizes=False, **attributes)
    facts = GraphFacts(model)
    assert nearest_indices(model.graph.node[0], facts.shapes, facts.constant) is None


def test_a_free_height_is_left():
    model = resize_of((4, 4), (8, 8), by_sizes=False, mode="nearest")
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    facts = GraphFacts(model)
    assert nearest_indices(model.graph.node[0], facts.shapes, facts.constant) is None
