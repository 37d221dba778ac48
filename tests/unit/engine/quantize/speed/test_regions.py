"""Proposals on graphs whose costs are planted."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from app.engine.quantize.speed.costs import Costs, compute_costs
from app.engine.quantize.speed.reasons import explain_slowness
from app.engine.quantize.speed.regions import propose_regions
from app.engine.runtimes.profile import KernelTime

LENGTH = 12
ELEMENTS = 100


def chain(operators=("Conv",) * LENGTH, readers=()):
    """n0 -> n1 -> …; values of ELEMENTS elements; `readers` are (node, value) of further inputs."""
    nodes = [helper.make_node(kind, [f"v{i}"], [f"v{i + 1}"], name=f"n{i}") for i, kind in enumerate(operators)]
    for node, value in readers:
        nodes[node].input.append(f"v{value}")
    values = [helper.make_tensor_value_info(f"v{i}", TensorProto.FLOAT, [1, ELEMENTS]) for i in range(len(operators) + 1)]
    return helper.make_model(helper.make_graph(nodes, "chain", [values[0]], [values[-1]], value_info=values[1:-1]))


def costs(float_us, int8_us, border_us):
    return Costs(
        float_us={f"n{i}": cost for i, cost in enumerate(float_us)},
        int8_us={f"n{i}": cost for i, cost in enumerate(int8_us)},
        conversions_us=0.0,
        crossing_us=border_us / ELEMENTS,
        total_float_us=sum(float_us),
        total_int8_us=sum(int8_us),
    )


def names(first, last):
    return tuple(f"n{i}" for i in range(first, last + 1))


def test_the_planted_region_is_the_best_proposal():
    float_us = [30.0] * LENGTH
    int8_us = [10.0] * 4 + [50.0] * 3 + [10.0] * 5
    best = propose_regions(chain(), names(0, LENGTH - 1), costs(float_us, int8_us, border_us=10.0))[0]
    assert best.nodes == names(4, 6)
    assert best.gain_us == pytest.approx(3 * (50 - 30) - 2 * 10)


def test_a_region_too_small_for_its_borders_is_not_proposed():
    int8_us = [10.0] * 5 + [45.0] + [10.0] * 6
    assert propose_regions(chain(), names(0, LENGTH - 1), costs([30.0] * LENGTH, int8_us, border_us=20.0)) == ()


def test_the_edge_of_the_graph_has_one_border_less():
    """In the middle two borders are paid; at the start the one with the outside is there already."""
    int8_us = [45.0] + [10.0] * 5 + [45.0] + [10.0] * 5
    best = propose_regions(chain(), names(0, LENGTH - 1), costs([30.0] * LENGTH, int8_us, border_us=14.0))[0]
    assert best.nodes == ("n0",)


def test_separate_regions_come_one_by_one_and_then_together():
    int8_us = [10.0] * 2 + [60.0] * 2 + [10.0] * 3 + [60.0] * 3 + [10.0] * 2
    found = propose_regions(chain(), names(0, LENGTH - 1), costs([30.0] * LENGTH, int8_us, border_us=5.0))
    assert [region.nodes for region in found] == [names(7, 9), names(2, 3), names(2, 3) + names(7, 9)]


def test_what_is_float_anyway_invites_its_neighbours():
    """n5 has no integer kernel: n4 beside it pays only one more border, so a smaller loss is enough."""
    quantized = [name for name in names(0, LENGTH - 1) if name != "n5"]
    int8_us = [10.0] * 4 + [40.0] + [30.0] + [10.0] * 6
    found = propose_regions(chain(), quantized, costs([30.0] * LENGTH, int8_us, border_us=15.0))
    assert found[0].nodes == ("n4",)


def test_all_of_it_is_no_proposal():
    assert propose_regions(chain(), names(0, LENGTH - 1), costs([10.0] * LENGTH, [30.0] * LENGTH, border_us=1.0)) == ()


def test_nodes_that_share_a_kernel_stay_together():
    """The float file computes n4 within n5's kernel; the INT8 file has both."""
    model = chain(("Conv",) * 4 + ("Sigmoid", "Mul") + ("Conv",) * 6, readers=((5, 4),))
    found = costs([30.0] * LENGTH, [10.0] * 4 + [5.0, 60.0] + [10.0] * 6, border_us=1.0)
    del found.float_us["n4"]
    assert propose_regions(model, names(0, LENGTH - 1), found)[0].nodes == ("n4", "n5")


def kernel(name, op_type, microseconds=10.0, elements=10_000):
    return KernelTime(name, op_type, microseconds, elements)


def test_costs_are_those_of_the_kernels_named_after_a_node_or_its_value():
    graph = chain(("Conv", "Relu", "Transpose", "Conv")).graph
    float_file = [
        kernel("v2_nchwc", "Conv", 40.0),
        kernel("ReorderOutput", "ReorderOutput", 2.0),
        kernel("n2", "Transpose", 3.0),
        kernel("n3", "Conv", 7.0),
    ]
    int8_file = [
        kernel("v0_quantize", "QuantizeLinear", 1.0),
        kernel("n0_token_3", "QLinearConv", 12.0),
        kernel("n2", "Transpose", 4.0),
        kernel("Transpose_token_9", "Transpose", 5.0),
        kernel("n3_token_17", "QLinearConv", 6.0),
    ]
    found = compute_costs(graph, float_file, int8_file)
    assert found.float_us == {"n1": 40.0, "n2": 3.0, "n3": 7.0}
    assert found.int8_us == {"n0": 12.0, "n2": 4.0, "n3": 6.0}
    assert found.conversions_us == 6.0
    assert found.crossing_us == pytest.approx((1.0 + 5.0 + 2.0) / 10_000)


def test_slowness_is_explained_by_the_largest_shares():
    graph = chain(("Conv", "Softmax", "Conv", "Conv")).graph
    found = costs([10.0, 20.0, 30.0, 40.0], [50.0, 20.0, 5.0, 1.0], 1.0)
    reasons = explain_slowness(graph, ["n0", "n2", "n3"], {"n1": "has no integer kernel in this runtime"}, found)
    assert reasons[0] == "n0 (Conv) is not faster in INT8: 0.05 ms in INT8, 0.01 ms in float"
    assert reasons[1].startswith("n1 (Softmax) stays in float and takes 26 % of the time")
    assert reasons[1].endswith("has no integer kernel in this runtime")
    assert len(reasons) == 2
    assert np.isfinite(found.total_int8_us)
