"""Which nodes become INT8, and which values share a grid."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.engine.quantize.placement import NOT_BETWEEN, ONNXRUNTIME, TOO_SMALL, place, user_choice
from app.engine.quantize.tensors import plan_tensors
from app.errors import WorkbenchError
from tests.support.architectures.network import Network
from tests.support.quantized_graphs import finished, quantized


def network(shape=(3, 16, 16)) -> Network:
    return Network("n", shape, spread=False)


def reason_of(graph: onnx.ModelProto, value: str) -> str | None:
    (name,) = [node.name for node in graph.graph.node if value in node.output]
    return place(graph, ONNXRUNTIME).kept_in_float.get(name)


def test_a_tiny_layer_behind_the_decoding_does_not_draw_it_into_int8():
    """The distribution-to-distance layer of a detector: Softmax over bins, then a 1x1 convolution with fixed weights."""
    n = network()
    features = n.node("Relu", n.conv(n.conv(n.input, 64), 64))
    heads = n.conv(features, 64)
    bins = n.declare(
        n.node("Transpose", n.node("Reshape", heads, n.constant([0, 4, 16, 256], np.int64)), perm=[0, 2, 1, 3]), 16
    )
    weighted = n.node("Conv", n.node("Softmax", bins, axis=1), n.constant(np.arange(16.0).reshape(1, 16, 1, 1)))
    graph = finished(n, weighted)
    assert reason_of(graph, weighted) == TOO_SMALL
    assert reason_of(graph, bins) == NOT_BETWEEN
    assert reason_of(graph, heads) is None


def test_a_tiny_layer_on_an_integer_path_is_int8(tmp_path):
    n = network()
    features = n.node("Relu", n.conv(n.conv(n.input, 64), 64))
    scores = n.gemm(n.declare(n.node("Flatten", n.node("GlobalAveragePool", features)), 64), 4)
    result = quantized(finished(n, scores), tmp_path)
    assert result.placement.kept_in_float == {}
    assert result.report.conversions == 1


def test_elementwise_nodes_that_feed_only_float_nodes_stay_float():
    n = network(shape=(16, 64))
    n.declare(n.input, 64)
    x = n.node("Add", n.input, n.matmul(n.node("Relu", n.matmul(n.input, 64, bias=False)), 64, bias=False))
    normed = n.declare(n.node("LayerNormalization", x, n.constant(np.ones(64)), n.constant(np.zeros(64))), 64)
    graph = finished(n, n.matmul(normed, 8, bias=False))
    assert reason_of(graph, x) == NOT_BETWEEN


def test_one_reader_in_float_does_not_put_the_producer_into_float(tmp_path):
    """Everybody reads the rounded value; one that read the raw one would cost the producer its integer kernel."""
    n = network()
    x = n.node("Relu", n.conv(n.input, 16))
    side = n.node("Softplus", x)
    result = quantized(finished(n, n.node("GlobalAveragePool", n.conv(x, 8)), side), tmp_path)
    assert (result.report.integer_kernels, result.report.float_kernels) == (2, 0)


@pytest.mark.parametrize("layer", ["conv", "gemm"])
def test_an_output_that_is_read_inside_too_costs_no_float_layer(layer, tmp_path):
    n = network() if layer == "conv" else network((16,))
    if layer == "conv":
        inner = n.node("Relu", n.conv(n.input, 16))
        last = n.conv(inner, 8)
    else:
        inner = n.gemm(n.input, 16)
        last = n.gemm(inner, 8)
    result = quantized(finished(n, inner, last), tmp_path)
    assert [output.name for output in result.model.graph.output] == [inner, last]
    assert (result.report.integer_kernels, result.report.float_kernels) == (2, 0)
    assert min(result.sqnr()) > 25


def test_subgraphs_are_left_alone_and_read_what_they_name(tmp_path):
    n = network()
    x = n.node("Relu", n.conv(n.input, 16))
    y = n.conv(x, 16)
    branches = {}
    for name, op in (("then_branch", "Add"), ("else_branch", "Mul")):
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        branches[name] = helper.make_graph([helper.make_node(op, [x, y], [name])], name, [], [value])
    large = n.node("Greater", n.node("ReduceMax", y, keepdims=0), n.constant(0.0))
    chosen = n.declare(n.node("If", large, **branches), 16)
    result = quantized(finished(n, n.node("GlobalAveragePool", n.conv(chosen, 8))), tmp_path)
    (kept,) = [node for node in result.model.graph.node if node.op_type == "If"]
    assert [list(a.g.node[0].input) for a in kept.attribute] == [[x, y], [x, y]]
    assert (result.report.integer_kernels, result.report.float_kernels) == (3, 0)
    assert min(result.sqnr()) > 25


def test_several_inputs(tmp_path):
    n = network()
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", 16, 16, 16])
    x = n.node("Add", n.conv(n.input, 16), "other")
    graph = finished(n, n.node("GlobalAveragePool", n.conv(x, 8)))
    graph.graph.input.append(other)
    plan = plan_tensors(graph, place(graph, ONNXRUNTIME))
    assert {"image", "other"} <= set(plan.gridded)


def test_a_concat_input_that_others_read_keeps_its_grid_when_it_is_much_smaller():
    n = network()
    small, large = n.conv(n.input, 8), n.conv(n.input, 8)
    joined = n.declare(n.node("Concat", small, large, axis=1), 16)
    graph = finished(n, n.conv(joined, 8), n.conv(small, 8))
    placement = place(graph, ONNXRUNTIME)

    def shared(size: float) -> bool:
        ranges = {small: (-1.0, 1.0), large: (-size, size), joined: (-size, size)}
        plan = plan_tensors(graph, placement, {small, large, joined}, ranges=ranges)
        assert plan.shared[large] == plan.shared[joined]
        return plan.shared[small] == plan.shared[joined]

    assert shared(2.0)
    assert not shared(100.0)


def test_a_folded_clip_never_shares_a_grid_that_reaches_further(tmp_path):
    """On a grid up to 20 the dropped Clip(0, 6) would no longer cut."""
    n = network()
    cut = n.node("Clip", n.conv(n.input, 8), n.constant(0.0), n.constant(6.0))
    pooled = n.node("MaxPool", cut, kernel_shape=[1, 1])
    free = n.node("Relu", n.conv(n.input, 8))
    joined = n.declare(n.node("Concat", pooled, free, axis=1), 16)
    graph = finished(n, n.conv(joined, 8))
    plan = plan_tensors(graph, place(graph, ONNXRUNTIME))
    assert plan.shared[cut] == plan.shared[pooled] != plan.shared[joined] == plan.shared[free]
    assert plan.clip[cut] == (0.0, 6.0)


def test_a_convolution_with_computed_weights_or_bias_stays_float():
    n = network()
    weight = n.node("Reshape", n.input, n.constant([-1, 3, 1, 1], np.int64))
    computed = n.node("Conv", n.input, weight)
    graph = finished(n, computed)
    assert reason_of(graph, computed) == "its weights are not constant"


def test_keep_float_takes_names_patterns_and_operators():
    n = network()
    graph = finished(n, n.conv(n.node("Relu", n.conv(n.input, 8)), 8))
    names = [node.name for node in graph.graph.node]
    assert list(user_choice(graph.graph, ["Conv"])) == [names[0], names[2]]
    assert list(user_choice(graph.graph, ["conv_?"])) == [names[0], names[2]]
    assert list(user_choice(graph.graph, [names[1]])) == [names[1]]
    assert user_choice(graph.graph, ["Conv", "conv_*"])[names[0]] == "kept in float by the setting “Conv”"
    assert user_choice(graph.graph, []) == {}


@pytest.mark.parametrize(("pattern", "near"), [("conv", "Conv"), ("relu_9", "relu_1"), ("zzz*", "workbench inspect")])
def test_keep_float_that_names_nothing_is_refused_with_what_is_near(pattern, near):
    n = network()
    graph = finished(n, n.node("Relu", n.conv(n.input, 8)))
    with pytest.raises(WorkbenchError) as refused:
        user_choice(graph.graph, [pattern])
    assert refused.value.code == "settings.keep_float"
    assert near in refused.value.hint
