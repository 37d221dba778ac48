"""Biases corrected front to back count only positions where the activation behind is linear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.sequential import ENOUGH, SequentialBiasCorrection
from app.engine.quantize.tensors import TensorPlan, plan_tensors
from app.engine.quantize.weight_fitting import Integers, round_all_to_nearest
from app.engine.runtimes import get_runtime
from tests.support.odd_models.building import conv, model_of, node, normal
from tests.support.quantize_default import outputs_of

RUNTIME = get_runtime("onnxruntime")
CHANNELS = 4
LARGE = 40.0
"""Of an input whose grid ends at 8."""


def network(activation: str, bias: float = 1.0) -> onnx.ModelProto:
    """first (each channel as it is, plus a bias) - activation - second."""
    limits = ["zero", "six"] if activation == "Clip" else []
    nodes = [
        conv("x", "a", "w1", "b1", name="first", pads=(0,) * 4),
        node(activation, ["a", *limits], "r", name="activation"),
        conv("r", "y", "w2", name="second"),
    ]
    constants = {
        "w1": np.eye(CHANNELS, dtype=np.float32)[:, :, None, None],
        "b1": np.full(CHANNELS, bias, np.float32),
        "w2": normal(6, CHANNELS, 3, 3),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    return model_of(nodes, {name: value for name, value in constants.items() if any(name in n.input for n in nodes)})


def saturating(sign: float, n: int = 16) -> list[np.ndarray]:
    """A third of the positions is far beyond the limits of the activation and of the grid; the others are inside both."""
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(n):
        x = rng.uniform(0, 4, (1, CHANNELS, 8, 8))
        samples.append(np.where(rng.uniform(size=x.shape) < 1 / 3, sign * LARGE, x).astype(np.float32))
    return samples


class Setting:
    """The network on grids that cut the input off at ±8."""

    def __init__(self, activation: str, sign: float, bias: float = 1.0) -> None:
        self.model, self.samples = network(activation, bias), saturating(sign)
        self.placement = place(self.model, ONNXRUNTIME)
        self.plan = plan_tensors(self.model, self.placement)
        self.grids: dict[str, QParams] = {
            "x": compute_qparams(min(0.0, 8 * sign), 8.0, "uint8", symmetric=False),
            "r": compute_qparams(0.0, 6.0, "uint8", symmetric=False),
            "y": compute_qparams(-20.0, 20.0, "uint8", symmetric=False),
        }
        self.layers = find_layers(self.model.graph, frozenset(self.placement.quantized))
        self.plain = round_all_to_nearest(self.layers, self.grids)

    def corrected(self, plan: TensorPlan) -> Integers:
        correction = SequentialBiasCorrection(RUNTIME, self.model, self.layers, self.plain, self.grids, plan, threads=1)
        return correction.run(np.concatenate(self.samples), lambda _done, _all: None)

    def quality(self, integers: Integers) -> float:
        delivered = assemble(self.model, self.placement, Fitted(self.grids, integers))
        return sqnr_db(outputs_of(self.model, self.samples)["y"], outputs_of(delivered, self.samples)["y"])


@pytest.mark.parametrize(("activation", "sign"), [("Clip", 1.0), ("Relu", -1.0), ("Clip", -1.0)])
def test_what_the_activation_swallows_is_not_corrected(activation, sign):
    """The error at ±40 is 32 and lost behind the activation; a mean over all positions would shift the others by a third."""
    setting = Setting(activation, sign)
    assert setting.plan.folded == {"activation": "a"}
    over_all = replace(setting.plan, folded={}, clip={})
    before = setting.quality(setting.plain)
    assert setting.quality(setting.corrected(setting.plan)) > before - 0.1
    assert setting.quality(setting.corrected(over_all)) < before - 20


def test_the_mean_error_of_linear_positions_goes():
    """A bias that is off by 0.5 comes back."""
    setting = Setting("Clip", 1.0)
    first = setting.plain["first"]
    off = np.rint(0.5 / first.bias_scale).astype(np.int32)
    setting.plain = {**setting.plain, "first": replace(first, bias_q=first.bias_q + off)}
    corrected = setting.corrected(setting.plan)
    np.testing.assert_allclose(corrected["first"].dequantized_bias, 1.0, atol=0.01)
    assert setting.quality(corrected) > setting.quality(setting.plain) + 5


def test_few_linear_positions_are_corrected_in_proportion():
    setting = Setting("Clip", 1.0)
    first, second = setting.plain["first"], setting.plain["second"]
    off = np.rint(0.5 / first.bias_scale).astype(np.int32)
    setting.plain = {"first": replace(first, bias_q=first.bias_q + off), "second": second}
    few = np.full((1, CHANNELS, 8, 8), LARGE, np.float32)
    few[0, :, 0, : ENOUGH // 10] = 2.0
    setting.samples = [few]
    bias = setting.corrected(setting.plan)["first"].dequantized_bias
    np.testing.assert_allclose(bias, 1.5 - 0.5 * (ENOUGH // 10) / ENOUGH, atol=0.01)


def test_a_later_layer_is_corrected_on_the_input_it_gets():
    """The first layer's weights lose a third; behind Relu its bias cannot make up for that, so the second one has to."""
    setting = Setting("Relu", 0.0, bias=-2.0)
    first = setting.plain["first"]
    setting.plain = {**setting.plain, "first": replace(first, weight_scale=first.weight_scale * np.float32(0.7))}
    corrected = setting.corrected(setting.plan)
    wanted = outputs_of(setting.model, setting.samples)["y"]
    means = []
    for integers in (setting.plain, {**setting.plain, "first": corrected["first"]}, corrected):
        delivered = assemble(setting.model, setting.placement, Fitted(setting.grids, integers))
        means.append(np.abs((outputs_of(delivered, setting.samples)["y"] - wanted).mean(axis=(0, 1, 3, 4))).max())
    assert means[2] < 0.1 * means[1] < 0.1 * means[0]
