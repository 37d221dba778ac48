"""The noise table: single values rounded as the file rounds them; the loud one is found, then quietened or kept in float."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.affine import QParams, compute_qparams, fake_quantize
from app.engine.quantize.judged import Judge
from app.engine.quantize.moments import with_outputs
from app.engine.quantize.noise import (
    LoudValue,
    NoiseMeter,
    better_ranges,
    candidate_ranges,
    keep_loud_in_float,
    members_of,
    noise_shares,
)
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.rounding_switches import ACTIVE, feeds_for, with_switches
from app.engine.quantize.tensors import TensorPlan, plan_tensors
from app.engine.runtimes import get_runtime
from tests.support.odd_models.building import conv, model_of, node, normal, samples_for

RUNTIME = get_runtime("onnxruntime")
PERFORMANCE, MIXED = QuantizationSettings(), QuantizationSettings(preset="mixed")


def chain() -> onnx.ModelProto:
    """first - Relu - second - Relu - third; x, r and s have grids."""
    nodes = [
        conv("x", "a", "w1", name="first"),
        node("Relu", ["a"], "r", name="relu1"),
        conv("r", "b", "w2", name="second"),
        node("Relu", ["b"], "s", name="relu2"),
        conv("s", "y", "w3", name="third"),
    ]
    return model_of(nodes, {"w1": normal(8, 4, 3, 3), "w2": normal(8, 8, 3, 3, seed=1), "w3": normal(6, 8, 3, 3, seed=2)})


def planned(model: onnx.ModelProto) -> TensorPlan:
    return plan_tensors(model, place(model, ONNXRUNTIME))


def observed(model: onnx.ModelProto, values: list[str], x: np.ndarray, **feeds: np.ndarray) -> list[np.ndarray]:
    return RUNTIME.open(with_outputs(model, values).SerializeToString()).run({"x": x, **feeds}, values)


def rounded(model: onnx.ModelProto, value: str, grid: QParams, read: str, x: np.ndarray) -> np.ndarray:
    """`read` when only `value` is rounded; every gridded value has a switch."""
    groups = [[name] for name in ("x", "r", "s", "i") if any(name in each.input for each in model.graph.node)]
    (got,) = observed(with_switches(model, groups), [read], x, **feeds_for(groups.index([value]), grid))
    return got


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.3), (-0.4, 1.1), (0.0, 40.0)])
@pytest.mark.parametrize("value", ["x", "r", "s"])
def test_readers_get_what_the_grid_makes_of_the_value(value, low, high):
    """Within its limits and beyond them, halves to even; the value before it and the readers' weights stay float."""
    model, grid = chain(), compute_qparams(low, high, "uint8", symmetric=False)
    (x,) = samples_for(model, 1)
    (exact,) = [x] if value == "x" else observed(model, [value], x)
    layer = {"x": "w1", "r": "w2", "s": "w3"}[value]
    alone = model_of(
        [conv(value, "y", layer)],
        {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name == layer},
        value=value,
        shape=("N", None, 8, 8),
    )
    (expected,) = RUNTIME.open(alone.SerializeToString()).run({value: fake_quantize(exact, grid)})
    read = {"x": "a", "r": "b", "s": "y"}[value]
    np.testing.assert_allclose(rounded(model, value, grid, read, x), expected, atol=1e-5)


@given(scale=st.sampled_from([0.25, 0.5, 1.0]), zero_point=st.integers(0, 255), seed=st.integers(0, 100))
def test_every_code_and_both_ends_are_those_of_the_grid(scale, zero_point, seed):
    """Of multiples of half a step, where nothing but the rule for halves decides."""
    model = model_of([node("Identity", ["x"], "i"), node("Neg", ["i"], "y")], {}, shape=(None,))
    x = (np.random.default_rng(seed).integers(-700, 700, 64) * scale / 2).astype(np.float32)
    grid = QParams(np.float32(scale), np.uint8(zero_point))
    np.testing.assert_array_equal(rounded(model, "i", grid, "y", x), -fake_quantize(x, grid))


def test_with_all_switches_off_the_model_is_the_float_model():
    model = chain()
    (x,) = samples_for(model, 1)
    feeds = {**feeds_for(0, compute_qparams(0, 1, "uint8", symmetric=False)), ACTIVE: np.asarray(-1, np.int32)}
    got = observed(with_switches(model, [["x"], ["r"], ["s"]]), ["y"], x, **feeds)
    np.testing.assert_allclose(got[0], observed(model, ["y"], x)[0], atol=1e-6)


class Table:
    """Noise of each value of the chain, with the range of `loud` 30 times too wide."""

    def __init__(self, loud: str = "", factor: float = 30.0) -> None:
        self.model = chain()
        self.plan = planned(self.model)
        samples = samples_for(self.model, 4)
        values = [name for name in self.plan.gridded if name != "x"]
        seen = dict(zip(values, observed(self.model, values, samples[0]), strict=True)) | {"x": samples[0]}
        self.extremes = {name: (min(0.0, float(v.min())), float(v.max())) for name, v in seen.items()}
        self.ranges = {name: (low, high * (factor if name == loud else 1)) for name, (low, high) in self.extremes.items()}
        self.meter = NoiseMeter(Judge(RUNTIME, self.model, samples, threads=1), self.model, self.plan)
        self.table = self.measured(self.ranges)

    def measured(self, ranges) -> list[LoudValue]:
        grids = {name: compute_qparams(*ends, "uint8", symmetric=False) for name, ends in ranges.items()}
        return self.meter.table(grids, lambda _done, _all: None)


@pytest.mark.parametrize("loud", ["x", "r", "s"])
def test_the_loud_value_is_found_and_gets_the_range_that_makes_it_quiet(loud):
    made = Table(loud)
    assert max(made.table, key=lambda value: value.noise).group == loud
    renewed = dict(made.ranges)
    quieter = better_ranges(made.meter, made.table, renewed, made.extremes, PERFORMANCE)
    assert {name for name, ends in renewed.items() if ends != made.ranges[name]} == {loud}
    assert renewed[loud][1] <= made.extremes[loud][1] * 1.01
    before, after = ({value.group: value.noise for value in some} for some in (made.table, quieter))
    assert after[loud] < 0.05 * before[loud]
    assert after == {value.group: pytest.approx(value.noise) for value in made.measured(renewed)}
    assert [value.group for value in quieter if value.action] == [loud]


def test_quiet_values_keep_their_ranges():
    """Even one that is twice too wide, beside one that is 30 times too wide."""
    made = Table("r")
    made.ranges["s"] = 0.0, 2 * made.extremes["s"][1]
    renewed = dict(made.ranges)
    better_ranges(made.meter, made.measured(made.ranges), renewed, made.extremes, PERFORMANCE)
    assert {name for name, ends in renewed.items() if ends != made.ranges[name]} == {"r"}


def test_the_range_of_the_last_layer_counts():
    """A 3x3 convolution in INT8 writes 8 bits: the caller gets them rounded."""
    made = Table("y")
    assert max(made.table, key=lambda value: value.noise).group == "y"


@given(
    ends=st.tuples(st.floats(-10, 0), st.floats(0.1, 10)),
    beyond=st.tuples(st.floats(1, 4), st.floats(1, 4)),
)
def test_candidate_ranges_hold_zero_and_stay_within_what_was_seen(ends, beyond):
    (low, high), (further, higher) = ends, beyond
    extremes = low * further, high * higher
    candidates = list(candidate_ranges((low, high), extremes))
    assert candidates[0] == extremes
    assert all(extremes[0] <= least <= 0 < most <= extremes[1] for least, most in candidates)
    if low < 0:
        assert any(least == low and most != high for least, most in candidates)
        assert any(least != low and most == high for least, most in candidates)


def loud(noises: dict[str, float]) -> list[LoudValue]:
    return [LoudValue(name, noise) for name, noise in noises.items()]


def kept(noises: dict[str, float], settings: QuantizationSettings) -> dict[str, str]:
    model = chain()
    return keep_loud_in_float(model, planned(model), loud(noises), settings)


@pytest.mark.parametrize(("value", "around"), [("x", {"first"}), ("r", {"relu1", "second"}), ("s", {"relu2", "third"})])
def test_a_value_that_drowns_the_others_is_kept_in_float_with_the_nodes_around_it(value, around):
    noises = {name: 0.3 if name == value else 0.001 for name in ("x", "r", "s")}
    reasons = kept(noises, PERFORMANCE)
    assert set(reasons) == around
    assert all(f"“{value}” alone makes 99% of the noise" in reason for reason in reasons.values())


@pytest.mark.parametrize(
    ("noises", "performance", "mixed"),
    [
        ({"x": 0.004, "r": 0.003, "s": 0.003}, set(), {"first", "relu1", "second", "relu2", "third"}),
        ({"x": 0.0002, "r": 0.0020, "s": 0.0002}, set(), {"relu1", "second", "first", "relu2", "third"}),
        ({"x": 0.0, "r": 0.0, "s": 0.0}, set(), set()),
    ],
    ids=["20 dB, none above the others", "26 dB, one above the others", "silence"],
)
def test_mixed_keeps_more_in_float_than_performance(noises, performance, mixed):
    assert set(kept(noises, PERFORMANCE)) == performance
    assert set(kept(noises, MIXED)) == mixed


def test_a_broken_model_keeps_values_in_float_until_it_is_not():
    """11.5 dB with two equal ones: the first leaves, and 14 dB are broken, too; then it is 20 dB."""
    assert set(kept({"x": 0.03, "r": 0.03, "s": 0.01}, PERFORMANCE)) >= {"first", "relu1", "second"}


def test_shares_say_who_was_loud_and_what_was_done():
    model = chain()
    plan, table = planned(model), loud({"x": 0.1, "r": 0.3, "s": 0.0})
    shares = noise_shares(model, [*table[:1], replace(table[1], action=""), table[2]], {"relu1": "“r” alone"}, plan)
    assert [(share.node, share.op_type, share.action) for share in shares] == [
        ("relu1", "Relu", "kept in float"),
        ("x", "input", ""),
        ("relu2", "Relu", ""),
    ]
    assert [share.share for share in shares] == pytest.approx([0.75, 0.25, 0.0])


def test_values_that_share_a_grid_are_one_group():
    model = model_of(
        [
            conv("x", "a", "w1", name="first"),
            node("Relu", ["a"], "r"),
            node("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2]),
            conv("p", "y", "w2", name="second"),
        ],
        {"w1": normal(8, 4, 3, 3), "w2": normal(6, 8, 3, 3)},
    )
    assert members_of(planned(model)) == {"x": ["x"], "r": ["r", "p"], "y": ["y"]}
