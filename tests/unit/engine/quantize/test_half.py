"""Weights stored as float16: half the file, the same kernels, nothing beyond float16 in it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize import half
from app.engine.quantize.half import store_as_half
from app.engine.runtimes import get_runtime
from app.engine.runtimes.kernels import optimized_graph
from app.errors import WorkbenchError
from tests.support.encoders import EncoderShape, encoder, encoder_inputs, recurrent
from tests.support.model_builder import tiny_classifier

RUNTIME = get_runtime("onnxruntime")
SHAPE = EncoderShape(width=128, hidden=512)


def outputs(model: onnx.ModelProto, inputs) -> np.ndarray:
    session = RUNTIME.open(model.SerializeToString())
    return np.concatenate([session.run({session.inputs[0].name: x})[0] for x in inputs])


def with_values(values: np.ndarray) -> onnx.ModelProto:
    model = encoder(SHAPE)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "mlp0_up_w")
    tensor.CopyFrom(numpy_helper.from_array(np.broadcast_to(values, tensor.dims).astype(np.float32), tensor.name))
    return model


def test_a_file_of_half_the_size_answers_almost_alike():
    model, inputs = encoder(SHAPE), encoder_inputs(SHAPE, 3)
    smaller = store_as_half(model)
    onnx.checker.check_model(smaller.model)
    assert smaller.kept == {}
    assert smaller.model.ByteSize() < 0.52 * model.ByteSize()
    assert sqnr_db(outputs(model, inputs), outputs(smaller.model, inputs)) > 60
    assert list(smaller.model.graph.input) == list(model.graph.input)
    assert list(smaller.model.graph.output) == list(model.graph.output)


@pytest.mark.parametrize("model", [encoder(SHAPE), recurrent("GRU"), tiny_classifier(width=16)], ids=["encoder", "GRU", "CNN"])
def test_the_runtime_runs_the_very_same_kernels(tmp_path, model):
    ran = [
        Counter(node.op_type for node in optimized_graph(each, tmp_path).node) for each in (model, store_as_half(model).model)
    ]
    assert ran[0] == ran[1]


def test_the_runtime_computes_with_exactly_the_rounded_weights():
    """Round trip: the FP32 file whose weights were rounded to float16 gives the same answers to the last bit."""
    model, inputs = encoder(SHAPE), encoder_inputs(SHAPE, 2)
    smaller = store_as_half(model)
    for tensor in model.graph.initializer:
        if tensor.name in smaller.halved:
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    np.testing.assert_array_equal(outputs(smaller.model, inputs), outputs(model, inputs))


def test_values_beyond_float16_stay_and_are_named():
    weight = np.ones((128, 512))
    weight[5, 7] = 70_000
    model, inputs = with_values(weight), encoder_inputs(SHAPE, 1)
    smaller = store_as_half(model)
    assert smaller.kept == {"mlp0_up_w": "goes to 7e+04, float16 ends at 65504"}
    assert np.isfinite(outputs(smaller.model, inputs)).all()


@pytest.mark.parametrize(("values", "reason"), [(1e-7, half.TOO_SMALL), (np.nan, half.NOT_FINITE), (np.inf, half.NOT_FINITE)])
def test_what_float16_cannot_hold_stays(values, reason):
    assert store_as_half(with_values(np.asarray(values))).kept == {"mlp0_up_w": reason}


def test_vectors_and_depthwise_filters_stay_float32():
    model = encoder(SHAPE)
    filters = numpy_helper.from_array(np.ones((64, 1, 5, 5), np.float32), "depthwise")
    model.graph.initializer.append(filters)
    halved = store_as_half(model).halved
    assert "depthwise" not in halved
    assert all(len(tensor.dims) > 1 for tensor in model.graph.initializer if tensor.name in halved)


def test_weights_in_constant_nodes_and_in_subgraphs_are_halved_as_well():
    weight = np.random.default_rng(0).normal(0, 0.1, (64, 64)).astype(np.float32)
    value = numpy_helper.from_array(weight)

    def branch(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Constant", [], [f"{name}_w"], value=value),
            helper.make_node("MatMul", ["x", f"{name}_w"], [f"{name}_y"]),
        ]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", onnx.TensorProto.FLOAT, None)])

    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch("then"), else_branch=branch("else"))],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 64])],
        [numpy_helper.from_array(np.array(True), "c")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    smaller = store_as_half(model)
    assert sorted(smaller.halved) == ["else_w", "then_w"]
    assert smaller.model.ByteSize() < 0.6 * model.ByteSize()
    x = [np.ones((2, 64), np.float32)]
    assert sqnr_db(outputs(model, x), outputs(smaller.model, x)) > 60


def test_a_model_without_anything_to_halve_is_refused():
    with pytest.raises(WorkbenchError) as refused:
        store_as_half(store_as_half(encoder(SHAPE)).model)
    assert refused.value.code == "quantize.nothing_to_halve"


def test_same_bytes_again():
    first, second = (store_as_half(encoder(SHAPE)).model.SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
