from __future__ import annotations

import numpy as np
import pytest

from tests.support.rewriting import assert_same_function, assert_untouched, graph_of, node, operators, rewritten

SHAPE = (2, 5, 8, 6)


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_space_is_a_global_average(opset, axes, keepdims):
    if opset < 18:
        nodes, constants = [node("ReduceMean", ["x"], "y", axes=axes, keepdims=keepdims)], {}
    else:
        nodes, constants = [node("ReduceMean", ["x", "axes"], "y", keepdims=keepdims)], {"axes": np.array(axes, np.int64)}
    model = graph_of(nodes, constants, SHAPE, opset=opset)
    after, _ = rewritten(model)
    assert operators(after) == ({"GlobalAveragePool": 1} if keepdims else {"GlobalAveragePool": 1, "Flatten": 1})
    assert_same_function(model, after)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2, 3), (0, 2, 3)])
def test_other_means_stay(axes):
    assert_untouched(graph_of([node("ReduceMean", ["x"], "y", axes=axes)], {}, SHAPE))


def test_a_mean_over_two_axes_of_rank_3_stays():
    assert_untouched(graph_of([node("ReduceMean", ["x"], "y", axes=(1, 2))], {}, (2, 5, 7)))


def test_a_window_of_the_whole_image_is_a_global_average():
    model = graph_of([node("AveragePool", ["x"], "y", kernel_shape=[8, 6])], {}, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {"GlobalAveragePool": 1}
    assert_same_function(model, after)


AVERAGES = {
    "2x2": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "3x2 overlapping": {"kernel_shape": [3, 2], "strides": [2, 1]},
    "padding counted": {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2], "count_include_pad": 1},
    "ceil that changes nothing": {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    "valid by name": {"kernel_shape": [3, 3], "auto_pad": "VALID"},
}


@pytest.mark.parametrize("attributes", AVERAGES.values(), ids=AVERAGES)
def test_an_average_is_a_depthwise_convolution(attributes):
    model = graph_of([node("AveragePool", ["x"], "y", **attributes)], {}, SHAPE)
    after, _ = rewritten(model)
    assert operators(after) == {"Conv": 1}
    assert_same_function(model, after)


STAY = {
    "padding left out": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    "window over the edge": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    "padding chosen by the runtime": {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "count_include_pad": 1},
}


@pytest.mark.parametrize("attributes", STAY.values(), ids=STAY)
def test_an_average_that_divides_unevenly_stays(attributes):
    assert_untouched(graph_of([node("AveragePool", ["x"], "y", **attributes)], {}, SHAPE))


def test_dilated_windows():
    model = graph_of([node("AveragePool", ["x"], "y", kernel_shape=[2, 2], dilations=[2, 3])], {}, SHAPE, opset=19)
    after, _ = rewritten(model)
    assert operators(after) == {"Conv": 1}
    assert_same_function(model, after)
