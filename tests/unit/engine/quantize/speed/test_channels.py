"""Widened depthwise layers compute the same numbers, with the kernel of 16 lanes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from app.engine.quantize.speed.channels import pad_channels
from app.engine.runtimes import get_runtime
from tests.support.depthwise import exposed_depthwise, gated_depthwise


def run(model, image):
    return get_runtime("onnxruntime").open(model.SerializeToString()).run({"image": image})[0]


@pytest.mark.parametrize("channels", [9, 18, 24, 72])
def test_numbers_stay_and_channels_become_a_multiple_of_16(channels):
    model = gated_depthwise(channels)
    image = np.random.default_rng(0).normal(0, 2, (1, 4, 8, 8)).astype(np.float32)
    before = run(model, image)
    assert len(np.unique(before)) > 20
    assert pad_channels(model) == ("depthwise",)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run(model, image), before)
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    assert weights["depthwise_w_q"][0] % 16 == weights["last_w_q"][1] % 16 == 0
    assert weights["squeeze_w_q"][1] == weights["excite_w_q"][0] == weights["depthwise_w_q"][0]
    assert pad_channels(model) == ()


@pytest.mark.parametrize("channels", [16, 32])
def test_full_lanes_stay(channels):
    model = gated_depthwise(channels)
    before = model.SerializeToString()
    assert pad_channels(model) == ()
    assert model.SerializeToString() == before


@pytest.mark.parametrize("channels", [4, 7])
def test_a_layer_that_would_more_than_double_stays(channels):
    assert pad_channels(gated_depthwise(channels)) == ()


def test_channels_that_a_caller_sees_stay():
    model = exposed_depthwise(24)
    before = model.SerializeToString()
    assert pad_channels(model) == ()
    assert model.SerializeToString() == before


def test_a_constant_that_others_read_too_stays():
    model = gated_depthwise(24)
    for node in model.graph.node:
        if node.name == "excite_w":
            node.input[1] = "first_w_scale"
    before = model.SerializeToString()
    assert pad_channels(model) == ()
    assert model.SerializeToString() == before
