"""What onnxruntime runs for each operator between two convolutions: read from its own optimized graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import numpy_helper

from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.tensors import plan_tensors
from tests.support.architectures.network import Network
from tests.support.quantized_graphs import RUNTIME, QuantizedGraph, finished, quantized

KEPT = "for the test"


def network(opset: int = 17, shape: tuple[int, ...] = (3, 16, 16)) -> Network:
    return Network("n", shape, opset=opset, spread=False)


def between(middle: Callable[[Network, str], str], *, opset: int = 17):
    """Conv, Relu, the operator, Conv, global average: the average is a float tail that makes the conv's rounding visible."""
    n = network(opset)
    x = middle(n, n.node("Relu", n.conv(n.input, 16)))
    return finished(n, n.node("GlobalAveragePool", n.conv(x, 8)))


def hard_sigmoid(n: Network, x: str) -> str:
    return n.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def silu(n: Network, x: str) -> str:
    return n.node("Mul", x, n.node("Sigmoid", x))


def pre_activation(n: Network, x: str) -> str:
    return n.node("Add", x, n.conv(n.node("Relu", x), 16))


def squeeze(n: Network, x: str, gate: Callable[[Network, str], str]) -> str:
    pooled = n.node("GlobalAveragePool", x)
    return n.node("Mul", x, gate(n, n.conv(n.node("Relu", n.conv(pooled, 4, 1)), 16, 1)))


def shuffle(n: Network, x: str) -> str:
    split = n.node("Reshape", x, n.constant([0, 2, 8, 16, 16], np.int64))
    return n.node("Reshape", n.node("Transpose", split, perm=[0, 2, 1, 3, 4]), n.constant([0, 16, 16, 16], np.int64))


def resize(n: Network, x: str, **attributes: object) -> str:
    return n.node("Resize", x, "", n.constant([1, 1, 2, 2]), **attributes)


def split(n: Network, x: str) -> str:
    first = n.node("Split", x, n.constant([8, 8], np.int64), outputs=2, axis=1)
    return n.node("Concat", f"{first}_1", first, axis=1, like=x)


def focus(n: Network, x: str) -> str:
    def part(row: int, column: int) -> str:
        starts, ends = n.constant([row, column], np.int64), n.constant([99, 99], np.int64)
        return n.node("Slice", x, starts, ends, n.constant([2, 3], np.int64), n.constant([2, 2], np.int64))

    return n.declare(n.node("Concat", *(part(row, column) for row in (0, 1) for column in (0, 1)), axis=1), 64)


PER_CHANNEL = np.linspace(-1, 1, 16).reshape(16, 1, 1)
INTEGER = {
    "add a constant per channel": (lambda n, x: n.node("Add", x, n.constant(PER_CHANNEL)), {"QLinearAdd": 1}),
    "subtract a constant": (lambda n, x: n.node("Sub", x, n.constant(0.3)), {"QLinearAdd": 1}),
    "multiply by a constant per channel": (
        lambda n, x: n.node("Mul", n.constant(PER_CHANNEL), x, like=x),
        {"QLinearMul": 1},
    ),
    "divide by a constant": (lambda n, x: n.node("Div", x, n.constant(3.0)), {"QLinearMul": 1}),
    "residual": (lambda n, x: n.node("Add", x, n.conv(x, 16)), {"QLinearAdd": 1}),
    "concatenate with a constant": (
        lambda n, x: n.declare(n.node("Concat", x, n.constant(np.ones((2, 4, 16, 16))), axis=1), 20),
        {"QLinearConcat": 1},
    ),
    "hard-swish": (lambda n, x: n.node("HardSwish", n.conv(x, 16)), {"QLinearAdd": 1, "QLinearMul": 1}),
    "SiLU": (lambda n, x: silu(n, n.conv(x, 16)), {"QLinearSigmoid": 1, "QLinearMul": 1}),
    "squeeze-and-excite": (
        lambda n, x: squeeze(n, x, lambda n, y: n.node("Sigmoid", y)),
        {"QLinearGlobalAveragePool": 1, "QLinearConv": 4, "QLinearSigmoid": 1, "QLinearMul": 1},
    ),
    "squeeze-and-excite, hard": (
        lambda n, x: squeeze(n, x, hard_sigmoid),
        {"QLinearGlobalAveragePool": 1, "QLinearConv": 4, "QLinearAdd": 1, "QLinearMul": 1},
    ),
    "max pooling": (lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), {"NhwcMaxPool": 1, "MaxPool": 0}),
    "pyramid of poolings": (
        lambda n, x: n.declare(n.node("Concat", x, n.node("MaxPool", x, kernel_shape=[5, 5], pads=[2] * 4), axis=1), 32),
        {"NhwcMaxPool": 1, "MaxPool": 0, "QLinearConcat": 1},
    ),
    "nearest resize": (lambda n, x: resize(n, x, mode="nearest"), {"Gather": 2, "Resize": 0, "Transpose": 2}),
    "pixel shuffle, depth first": (
        lambda n, x: n.declare(n.node("DepthToSpace", x, blocksize=2), 4),
        {"DepthToSpace": 0, "Transpose": 3},
    ),
    "pixel shuffle, column first": (
        lambda n, x: n.declare(n.node("DepthToSpace", x, blocksize=2, mode="CRD"), 4),
        {"DepthToSpace": 1},
    ),
    "channel shuffle": (shuffle, {"Transpose": 3, "Reshape": 2}),
    "split": (split, {"Split": 1, "QLinearConcat": 1}),
    "transposed convolution": (
        lambda n, x: n.node("Relu", n.conv_transpose(x, 12)),
        {"QLinearConv": 3, "ConvTranspose": 0, "Transpose": 3},
    ),
    "focus": (focus, {"Slice": 4, "QLinearConcat": 1}),
    "leaky rectifier": (lambda n, x: n.node("LeakyRelu", n.conv(x, 16), alpha=0.1), {"QLinearLeakyRelu": 1}),
    "rectifier behind a fork": (lambda n, x: pre_activation(n, n.conv(x, 16)), {"QLinearLeakyRelu": 1, "QLinearAdd": 1}),
}


@pytest.mark.parametrize("name", INTEGER)
def test_everything_between_input_and_float_tail_runs_on_integers(name, tmp_path):
    middle, expected = INTEGER[name]
    result = quantized(between(middle), tmp_path)
    assert result.report.float_kernels == 0
    assert result.report.surprises == ()
    assert result.report.conversions == 2  # the input is quantized, the last convolution dequantized
    assert {kernel: result.kernels[kernel] for kernel in expected} == expected
    assert min(result.sqnr()) > 25
    assert min(result.sqnr_unoptimized()) > 60


FLOAT = {
    "Softmax": lambda n, x: n.node("Softmax", x, axis=1),
    "AveragePool": lambda n, x: n.node("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4),
    "ConvTranspose": lambda n, x: n.conv_transpose(x, 16, kernel=3),
    "InstanceNormalization": lambda n, x: n.node("InstanceNormalization", x, n.constant(np.ones(16)), n.constant(np.zeros(16))),
    "Pad": lambda n, x: n.node("Pad", x, n.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)),
    "Resize": lambda n, x: resize(n, x, mode="linear"),
    "PRelu": lambda n, x: n.node("PRelu", n.conv(x, 16), n.constant(np.full((16, 1, 1), 0.1))),
    "ReduceMean": lambda n, x: n.node("Sub", x, n.node("ReduceMean", x, axes=[1], keepdims=1)),
}


@pytest.mark.parametrize("operator", FLOAT)
def test_what_has_no_good_integer_kernel_really_runs_in_float(operator, tmp_path):
    """Without a barrier AveragePool and Softmax get QLinear kernels, 20 and 7 times slower; ConvTranspose is re-quantized."""
    result = quantized(between(FLOAT[operator]), tmp_path)
    assert result.report.surprises == ()
    assert result.report.float_kernels == (operator == "ConvTranspose")
    assert not {"QLinearSoftmax", "QLinearAveragePool"} & result.kernels.keys()
    assert min(result.sqnr_unoptimized()) > 60


@pytest.mark.parametrize("behind", ["Relu", "Clip", "Reshape", "Add", "MaxPool", ""])
def test_a_layer_kept_in_float_is_not_quantized_by_the_runtime(behind, tmp_path):
    """Without its barrier onnxruntime rounds its weights, whatever stands between it and the next QuantizeLinear."""

    def middle(n: Network, x: str) -> str:
        y = n.conv(x, 16)
        if behind == "Clip":
            return n.node("Clip", y, n.constant(0.0), n.constant(1.0))
        if behind == "Reshape":
            return n.declare(n.node("Reshape", y, n.constant([0, 4, 32, 32], np.int64)), 4)
        if behind == "MaxPool":
            return n.node("MaxPool", y, kernel_shape=[2, 2])
        return n.node("Add", x, y) if behind == "Add" else n.node("Relu", y) if behind else y

    graph = between(middle)
    kept = [node.name for node in graph.graph.node if node.op_type == "Conv"][1]
    result = quantized(graph, tmp_path, keep_float={kept: KEPT})
    assert result.placement.kept_in_float[kept] == KEPT
    assert (result.report.integer_kernels, result.report.float_kernels) == (2, 1)
    assert result.report.surprises == ()
    assert min(result.sqnr_unoptimized()) > 100


def test_an_elementwise_node_kept_in_float_runs_in_float(tmp_path):
    graph = between(lambda n, x: n.node("Add", x, n.conv(x, 16)))
    kept = next(node.name for node in graph.graph.node if node.op_type == "Add")
    assert quantized(graph, tmp_path).kernels["QLinearAdd"] == 1
    result = quantized(graph, tmp_path, keep_float={kept: KEPT})
    assert (result.kernels["QLinearAdd"], result.kernels["Add"], result.report.surprises) == (0, 1, ())


def test_pooling_behind_a_float_stem_keeps_its_fast_kernel(tmp_path):
    """onnxruntime moves the QuantizeLinear in front of it, where the 8-bit kernel is 50 times slower (placement.md, trap 5)."""
    graph = between(lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    result = quantized(graph, tmp_path, keep_float={graph.graph.node[0].name: KEPT})
    assert result.report.surprises == ()
    assert result.kernels["LeakyRelu"] == 1  # the barrier between it and the QuantizeLinear


@pytest.mark.parametrize("activation", ["Relu", "Clip", "Sigmoid", "Tanh", ""])
def test_a_gemm_with_float_output_stays_integer_whatever_follows(activation, tmp_path):
    """Behind a Relu or Clip onnxruntime would take the float kernel, its integer weights made float first."""
    n = network(shape=(64,))
    y = n.gemm(n.input, 32)
    bounds = [n.constant(0.0), n.constant(1.0)] if activation == "Clip" else []
    y = n.node(activation, y, *bounds) if activation else y
    result = quantized(finished(n, n.node("Softmax", y, axis=-1)), tmp_path)
    assert result.kernels["QGemm"] == 1
    assert (result.report.float_kernels, result.report.conversions, result.report.surprises) == (0, 1, ())


@pytest.mark.parametrize("kernel", [1, 3])
def test_scores_of_a_last_convolution(kernel, tmp_path):
    """Of a 1x1 convolution they are not rounded: Gemm over the pixels has float output and costs the same."""
    n = network()
    scores = n.conv(n.node("Relu", n.conv(n.input, 16)), 6, kernel)
    result = quantized(finished(n, scores), tmp_path)
    assert result.report.float_kernels == 0
    assert (result.kernels["QGemm"], result.kernels["QLinearConv"]) == ((1, 1) if kernel == 1 else (0, 2))
    assert result.report.conversions == (1 if kernel == 1 else 2)
    assert min(result.sqnr()) > 30


@pytest.mark.parametrize("opset", [13, 15, 17, 18, 19, 21])
def test_opsets(opset, tmp_path):
    def middle(n: Network, x: str) -> str:
        y = n.node("Mul", x, hard_sigmoid(n, n.conv(x, 16)))
        return n.node("MaxPool", resize(n, y, mode="nearest"), kernel_shape=[2, 2], strides=[2, 2])

    result = quantized(between(middle, opset=opset), tmp_path)
    assert (result.report.float_kernels, result.report.conversions, result.report.surprises) == (0, 2, ())


@pytest.mark.parametrize(
    "attributes",
    [
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
        {"pads": [0, 1, 2, 1]},
        {"dilations": [2, 2], "pads": [2] * 4},
        {"group": 4, "pads": [1] * 4},
        {"group": 16, "pads": [1] * 4},
    ],
    ids=str,
)
def test_every_form_of_convolution_runs_on_integers(attributes, tmp_path):
    def middle(n: Network, x: str) -> str:
        weight = n.constant(n.rng.normal(size=(16, 16 // attributes.get("group", 1), 3, 3)))
        return n.node("Conv", x, weight, n.constant(n.rng.normal(size=16)), **attributes)

    result = quantized(between(middle), tmp_path)
    assert (result.report.integer_kernels, result.report.float_kernels, result.report.surprises) == (3, 0, ())


@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_over_one_and_three_axes(axes, tmp_path):
    n = network(shape=(3, *[8] * axes))
    x = n.node("MaxPool", n.node("Relu", n.conv(n.input, 8)), kernel_shape=[2] * axes, strides=[2] * axes)
    result = quantized(finished(n, n.node("GlobalAveragePool", n.conv(x, 8))), tmp_path)
    assert (result.report.integer_kernels, result.report.float_kernels, result.report.surprises) == (2, 0, ())


def test_weights_shared_by_two_layers_with_different_inputs(tmp_path):
    def middle(n: Network, x: str) -> str:
        weight, bias = n.constant(n.rng.normal(0, 0.2, size=(16, 16, 3, 3))), n.constant(n.rng.normal(size=16))
        for _ in range(2):
            x = n.node("Relu", n.node("Conv", x, weight, bias, pads=[1] * 4))
        return x

    result = quantized(between(middle), tmp_path)
    assert (result.report.integer_kernels, result.report.float_kernels) == (4, 0)
    assert min(result.sqnr()) > 30


@pytest.mark.parametrize(
    ("attributes", "integer"),
    [({}, 2), ({"beta": 0.5}, 2), ({"transB": 1}, 2), ({"alpha": 0.5}, 1), ({"transA": 1}, 1)],
    ids=str,
)
def test_gemm_in_every_form(attributes, integer, tmp_path):
    """onnxruntime has no integer kernel for Gemm with alpha or transA: they stay in float."""
    n = network(shape=(16,))
    hidden = n.gemm(n.input, 16)
    shape = {"transA": (2, 5), "transB": (5, 16)}.get(next(iter(attributes), ""), (16, 5))
    scores = n.node("Gemm", hidden, n.constant(n.rng.normal(size=shape)), n.constant(n.rng.normal(size=5)), **attributes)
    result = quantized(finished(n, scores), tmp_path)
    assert (result.report.integer_kernels, result.report.surprises) == (integer, ())
    assert min(result.sqnr()) > 25


@pytest.mark.parametrize("shape", [(1, 64, 32), (64,), (64, 32)])
def test_matmul_with_constants_of_other_than_two_axes_stays_float(shape, tmp_path):
    n = network(shape=(16, 64))
    x = n.matmul(n.declare(n.input, 64), 64, bias=False)
    result = quantized(finished(n, n.node("MatMul", x, n.constant(n.rng.normal(size=shape)))), tmp_path)
    assert result.report.integer_kernels == (2 if len(shape) == 2 else 1)
    assert result.report.surprises == ()


def test_attention_products_and_norms_stay_float_and_nothing_is_converted_twice(tmp_path):
    n = network(opset=20, shape=(16, 64))
    n.declare(n.input, 64)

    def norm(x: str) -> str:
        return n.node("LayerNormalization", x, n.constant(np.ones(64)), n.constant(np.zeros(64)))

    def heads(x: str, perm: list[int]) -> str:
        return n.node("Transpose", n.node("Reshape", x, n.constant([0, 16, 4, 16], np.int64)), perm=perm)

    inner = norm(n.input)
    query, key, value = (n.matmul(inner, 64) for _ in range(3))
    scores = n.node("MatMul", heads(query, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1]))
    mixed = n.node("MatMul", n.node("Softmax", scores, axis=-1), heads(value, [0, 2, 1, 3]))
    joined = n.declare(n.node("Reshape", n.node("Transpose", mixed, perm=[0, 2, 1, 3]), n.constant([0, 16, 64], np.int64)), 64)
    attended = n.node("Add", n.input, n.matmul(joined, 64))
    hidden = n.node("Gelu", n.matmul(n.declare(norm(attended), 64), 128))
    result = quantized(finished(n, n.node("Add", attended, n.matmul(n.declare(hidden, 128), 64))), tmp_path)
    assert result.kernels["MatMulIntegerToFloat"] == 6
    assert result.report.float_kernels == 2  # the products of two variables
    assert result.report.conversions == 4  # one QuantizeLinear per input of a layer; query, key and value share theirs
    assert result.report.surprises == ()


@pytest.mark.parametrize("name", ["residual", "SiLU", "squeeze-and-excite, hard", "pyramid of poolings"])
def test_any_group_can_be_put_back_to_float(name, tmp_path):
    """The rest keeps its grids, and the runtime does what is planned."""
    graph = between(INTEGER[name][0])
    everything = place(graph, ONNXRUNTIME)
    gridded = set(plan_tensors(graph, everything).gridded)
    for group in everything.groups:
        result = quantized(graph, tmp_path, keep_float={group: KEPT})
        assert set(plan_tensors(graph, result.placement).gridded) <= gridded
        assert result.report.surprises == (), group
        assert min(result.sqnr_unoptimized()) > 60


@pytest.mark.parametrize(("alpha", "beta"), [(1 / 6, 0.5), (0.2, 0.5), (0.5, 0.0), (0.3, -0.2), (1.0, 2.0)])
def test_hard_sigmoid_on_integers_is_hard_sigmoid(alpha, beta, tmp_path):
    """Of the same rounded input, within a step of its output and the half step of the sum in between."""
    n = network()
    x = n.conv(n.input, 16)
    y = n.node("HardSigmoid", x, alpha=alpha, beta=beta)
    graph = finished(n, y, n.conv(y, 4))
    result = quantized(graph, tmp_path)
    assert result.kernels["QLinearAdd"] == 1
    step = 1 / 255
    assert _largest_error(result, y) <= 1.5 * step + alpha * _scale_of(result, x)


def test_hard_swish_on_integers_is_hard_swish(tmp_path):
    n = network()
    x = n.conv(n.input, 16)
    y = n.node("HardSwish", x)
    result = quantized(finished(n, y, n.conv(y, 4)), tmp_path)
    assert (result.kernels["QLinearAdd"], result.kernels["QLinearMul"]) == (1, 1)
    largest = 127 * _scale_of(result, x)
    gate = 0.5 / 255 + 0.5 * _scale_of(result, x) / 6  # rounding of the gate, of its input
    assert _largest_error(result, y) <= largest * gate + 0.5 * _scale_of(result, x) + _scale_of(result, y)
    assert result.sqnr()[0] > 30


def _largest_error(result: QuantizedGraph, value: str) -> float:
    position = [output.name for output in result.graph.graph.output].index(value)
    wanted, got = (
        np.stack([RUNTIME.open(model.SerializeToString()).run({"image": x})[position] for x in result.samples])
        for model in (result.graph, result.model)
    )
    return float(np.abs(wanted - got).max())


def _scale_of(result: QuantizedGraph, value: str) -> float:
    (scale,) = [tensor for tensor in result.model.graph.initializer if tensor.name == f"{value}_scale"]
    return float(numpy_helper.to_array(scale))
