"""Dynamic INT8 on encoders and recurrent networks, in the real kernels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize import dynamic
from app.engine.quantize.dynamic import quantize_dynamic
from app.engine.quantize.dynamic_default import fit_dynamic
from app.engine.quantize.dynamic_verification import verify_dynamic
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from app.engine.runtimes.kernels import optimized_graph
from app.errors import WorkbenchError
from tests.support.encoders import EncoderShape, encoder, encoder_inputs, recurrent

RUNTIME = get_runtime("onnxruntime")
SETTINGS = QuantizationSettings(precision="int8-dynamic")
SHAPE = EncoderShape()


def outputs(model: onnx.ModelProto, inputs) -> np.ndarray:
    session = RUNTIME.open(model.SerializeToString())
    return np.concatenate([session.run({"x": x})[0] for x in inputs])


def kernels(model: onnx.ModelProto, folder) -> Counter[str]:
    return Counter(node.op_type for node in optimized_graph(model, folder).node)


def one_product(op_type, weight, *, bias=None, computed_bias=False, **attributes) -> onnx.ModelProto:
    """y = op(x, weight[, bias]); a computed bias is a second input of the graph's own making, 2 x's first column."""
    constants = {"w": weight} | ({} if bias is None else {"b": bias})
    inputs = ["x", "w"] + ([] if bias is None else ["b2" if computed_bias else "b"])
    nodes = [helper.make_node(op_type, inputs, ["y"], name="product", **attributes)]
    if computed_bias:
        nodes.insert(0, helper.make_node("Add", ["b", "b"], ["b2"], name="double"))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, shape[0] ** -0.5, shape).astype(np.float32)


X = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)


@pytest.mark.parametrize("norm", ["op", "decomposed"])
@pytest.mark.parametrize("fused_bias", [False, True], ids=["MatMul and Add", "Gemm transB"])
def test_an_encoder_runs_its_products_in_fused_integer_kernels(tmp_path, norm, fused_bias):
    shape = EncoderShape(norm=norm, fused_bias=fused_bias)
    model, inputs = encoder(shape), encoder_inputs(shape, 4)
    result = quantize_dynamic(model, SETTINGS)
    onnx.checker.check_model(result.model)
    assert sqnr_db(outputs(model, inputs), outputs(result.model, inputs)) > 33
    ran = kernels(result.model, tmp_path)
    fused = ran["DynamicQuantizeMatMul"] + ran["MatMulIntegerToFloat"]
    assert fused == len(result.quantized) == 6 * shape.layers
    assert ran["DynamicQuantizeLinear"] == shape.layers  # Q, K and V read one
    assert ran["MatMulInteger"] == ran["Cast"] == ran["Gemm"] == 0
    attention = Counter(result.kept_in_float.values())[dynamic.NOT_CONSTANT]
    assert attention == ran["MatMul"] + ran["FusedMatMul"] == 2 * shape.layers


def test_inputs_and_outputs_stay_as_they_are_and_the_file_is_a_quarter():
    model = encoder(EncoderShape(width=128, hidden=512))
    smaller = quantize_dynamic(model, SETTINGS).model
    assert list(smaller.graph.input) == list(model.graph.input)
    assert list(smaller.graph.output) == list(model.graph.output)
    assert smaller.ByteSize() < 0.27 * model.ByteSize()


def test_the_report_counts_kernels_and_the_share_of_multiply_adds(tmp_path):
    model = onnx.shape_inference.infer_shapes(encoder(SHAPE))
    report = verify_dynamic(model, quantize_dynamic(model, SETTINGS), tmp_path)
    assert (report.integer_kernels, report.float_kernels, report.surprises) == (12, 4, ())
    width, tokens = SHAPE.width, SHAPE.tokens
    linear = 4 * width * width + 2 * width * SHAPE.hidden
    assert report.integer_multiply_adds == pytest.approx(linear / (linear + 2 * tokens * width))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (one_product("Gemm", weights(64, 96), bias=weights(96), transB=0), None),
        (one_product("Gemm", weights(96, 64), bias=weights(1, 96), transB=1, alpha=0.5, beta=2.0), None),
        (one_product("Gemm", weights(64, 96), bias=weights(96), computed_bias=True), None),
        (one_product("Gemm", weights(64, 96)), None),
        (one_product("MatMul", weights(64, 96)), None),
        (one_product("Gemm", weights(64, 96), bias=weights(96), computed_bias=True, beta=2.0), dynamic.COMPUTED_BIAS),
        (one_product("Gemm", weights(8, 512), transA=1), dynamic.TRANSPOSED_INPUT),
        (one_product("MatMul", weights(2, 64, 96)), dynamic.NOT_A_MATRIX),
        (one_product("MatMul", weights(64, 16)), dynamic.SMALL),
    ],
    ids=["plain", "all attributes", "computed bias", "no bias", "MatMul", "scaled computed bias", "transA", "stack", "small"],
)
def test_forms_of_a_product(model, reason):
    result = quantize_dynamic(model, SETTINGS)
    assert result.kept_in_float.get("product") == reason
    assert sqnr_db(outputs(model, [X]), outputs(result.model, [X])) >= (35 if reason is None else np.inf)


def test_convolutions_stay_in_float_and_say_why():
    conv = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    graph = helper.make_graph([conv], "c", [], [], [numpy_helper.from_array(weights(64, 64, 3, 3), "w")])
    assert quantize_dynamic(helper.make_model(graph), SETTINGS).kept_in_float == {"conv": dynamic.SLOW_CONVOLUTION}


def test_nodes_that_share_a_weight_share_its_integers():
    model = one_product("MatMul", weights(64, 64))
    model.graph.node.append(helper.make_node("MatMul", ["y", "w"], ["z"], name="again"))
    model.graph.output[0].name = "z"
    result = quantize_dynamic(model, SETTINGS)
    assert len(result.quantized) == 2
    assert (
        sum(tensor.data_type == onnx.TensorProto.INT8 and tensor.dims == [64, 64] for tensor in result.model.graph.initializer)
        == 1
    )
    assert sqnr_db(outputs(model, [X]), outputs(result.model, [X])) > 35


@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_lstm_runs_in_its_integer_kernel(tmp_path, bidirectional):
    model = recurrent("LSTM", hidden=96, bidirectional=bidirectional)
    inputs = [np.random.default_rng(2).normal(size=(12, 3, 32)).astype(np.float32)]
    result = quantize_dynamic(model, SETTINGS)
    assert "cell" in result.quantized
    assert kernels(result.model, tmp_path)["DynamicQuantizeLSTM"] == 1
    assert sqnr_db(outputs(model, inputs), outputs(result.model, inputs)) > 33


def test_a_gru_stays_in_float_and_says_why():
    model = recurrent("GRU")
    result = quantize_dynamic(model, SETTINGS)
    assert result.kept_in_float["cell"] == dynamic.NO_DYNAMIC_KERNEL
    onnx.checker.check_model(result.model)


def test_a_request_keeps_a_product_in_float():
    result = quantize_dynamic(encoder(SHAPE), SETTINGS, {"mlp0_up": "as asked"})
    assert "mlp0_up" not in result.quantized
    assert result.kept_in_float["mlp0_up"] == "as asked"


def pair_sums(weight: np.ndarray) -> np.ndarray:
    """Of (…, K, N) int8: |w[2k] + w[2k+1]|."""
    return np.abs(weight.astype(int)[..., 0::2, :] + weight[..., 1::2, :])


@pytest.mark.parametrize("rounding", [False, True])
def test_with_7_bits_no_pair_of_products_passes_16_bits(rounding):
    shape = EncoderShape(layers=1)
    inputs = encoder_inputs(shape, 6) if rounding else []
    largest = {}
    for bits in (7, 8):
        settings = QuantizationSettings(weight_bits=bits, alignment=False)
        products = fit_dynamic(RUNTIME, encoder(shape), inputs, settings, threads=1).result
        cells = quantize_dynamic(recurrent("LSTM"), settings)
        constants = [numpy_helper.to_array(tensor) for each in (products, cells) for tensor in each.model.graph.initializer]
        largest[bits] = [pair_sums(values).max() for values in constants if values.dtype == np.int8 and values.size > 1000]
    assert max(largest[7]) <= 128 < min(largest[8])


def test_an_input_of_zeros_gives_the_bias():
    bias = weights(96)
    model = quantize_dynamic(one_product("Gemm", weights(64, 96), bias=bias), SETTINGS).model
    np.testing.assert_allclose(outputs(model, [np.zeros((1, 64), np.float32)])[0], bias)


@pytest.mark.parametrize("cell", [None, "LSTM"])
def test_weights_that_are_no_numbers_are_refused_by_node(cell):
    model = recurrent(cell) if cell else one_product("MatMul", weights(64, 96))
    tensor = model.graph.initializer[0]
    values = numpy_helper.to_array(tensor).copy()
    values.flat[3] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(WorkbenchError) as refused:
        quantize_dynamic(model, SETTINGS)
    assert (refused.value.code, refused.value.where) == ("quantize.not_finite", "cell" if cell else "product")


OUTLIERS = EncoderShape(layers=1, tokens=32, outlier=50.0)


@pytest.fixture(scope="module")
def fit():
    inputs = encoder_inputs(OUTLIERS, 32)
    return fit_dynamic(RUNTIME, encoder(OUTLIERS), inputs, SETTINGS, threads=1)


def test_candidates_are_judged_on_held_out_samples_and_the_best_is_taken(fit):
    judged = {candidate.name: candidate.sqnr_db for candidate in fit.candidates}
    assert list(judged) == ["nearest", "migration", "migration, rounding"]
    assert fit.chosen == max(judged, key=judged.get)
    unseen = encoder_inputs(OUTLIERS, 4, seed=9)
    measured = sqnr_db(outputs(encoder(OUTLIERS), unseen), outputs(fit.result.model, unseen))
    assert measured == pytest.approx(judged[fit.chosen], abs=1.0)


def test_migration_is_worth_20_db_where_channels_stick_out_and_rounding_more(fit):
    judged = {candidate.name: candidate.sqnr_db for candidate in fit.candidates}
    assert judged["migration"] > judged["nearest"] + 20
    assert judged["migration, rounding"] > judged["migration"] + 0.3


@pytest.mark.parametrize(
    ("settings", "n", "names"),
    [
        (SETTINGS, 0, ["nearest"]),
        (QuantizationSettings(effort="fast"), 24, ["nearest"]),
        (QuantizationSettings(rounding=False), 6, ["nearest", "migration"]),
        (QuantizationSettings(alignment=False), 6, ["nearest", "rounding"]),
    ],
    ids=["no samples", "fast", "no rounding", "no migration"],
)
def test_each_step_can_be_switched_off(settings, n, names):
    inputs = encoder_inputs(OUTLIERS, n)
    fitted = fit_dynamic(RUNTIME, encoder(OUTLIERS), inputs, settings, threads=1)
    assert [candidate.name for candidate in fitted.candidates] == names


def test_same_inputs_same_bytes(fit):
    again = fit_dynamic(RUNTIME, encoder(OUTLIERS), encoder_inputs(OUTLIERS, 32), SETTINGS, threads=1)
    first, second = (each.result.model.SerializeToString(deterministic=True) for each in (fit, again))
    assert first == second


def test_names_that_the_graph_has_already_are_left_alone():
    """Constants named as the new integers, sums and scales would be."""
    model = one_product("Gemm", weights(64, 96), bias=np.zeros(96))
    names = ["product_weight_q", "product_bias", "product_sums", "product_scale", "x_q", "x_q_scale", "int8_zero"]
    model.graph.node[-1].output[0] = "sum_0"
    for number, name in enumerate(names):
        target = f"sum_{number + 1}" if number + 1 < len(names) else "y"
        model.graph.node.append(helper.make_node("Add", [f"sum_{number}", name], [target], name=f"add_{number}"))
        model.graph.initializer.append(numpy_helper.from_array(np.full(96, number, np.float32), name))
    result = quantize_dynamic(model, SETTINGS)
    assert result.quantized == ("product",)
    assert sqnr_db(outputs(model, [X]), outputs(result.model, [X])) > 33
