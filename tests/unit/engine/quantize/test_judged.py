"""Errors are measured where outputs are made: behind nothing that selects, joins, moves or normalizes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from app.engine.numerics.affine import compute_qparams
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.judged import Judge, judged_values, to_db
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.runtimes import get_runtime
from tests.support.odd_models.building import conv, model_of, node, normal, samples_for
from tests.support.quantize_default import outputs_of

RUNTIME = get_runtime("onnxruntime")
WEIGHTS = {"w1": normal(4, 4, 1, 1), "w2": normal(2, 4, 1, 1), "pixels": np.float32(300.0), "shift": np.float32(0.0)}
HEADS = [
    conv("x", "offsets", "w1", name="box_head", pads=(0,) * 4),
    node("Mul", ["offsets", "pixels"], "boxes"),
    conv("x", "logits", "w2", name="score_head", pads=(0,) * 4),
    node("Add", ["logits", "shift"], "shifted"),
    node("Sigmoid", ["shifted"], "scores"),
]


def with_heads(*nodes: onnx.NodeProto, outputs=("y",), **constants: np.ndarray) -> onnx.ModelProto:
    """Boxes in pixels and scores in 0..1 from one input, then `nodes`; constants that nobody reads are left out."""
    listed = [*HEADS, *nodes]
    used = {name: value for name, value in {**WEIGHTS, **constants}.items() if any(name in each.input for each in listed)}
    return model_of(listed, used, outputs=outputs)


ENDS = {
    "joined": ([node("Concat", ["boxes", "scores"], "y", axis=1)], {}),
    "joined, flat, turned": (
        [
            node("Concat", ["boxes", "scores"], "c", axis=1),
            node("Reshape", ["c", "flat"], "f"),
            node("Transpose", ["f"], "y", perm=[0, 2, 1]),
        ],
        {"flat": np.array([0, 6, -1])},
    ),
    "best rows": (
        [
            node("Concat", ["boxes", "scores"], "c", axis=1),
            node("Reshape", ["c", "flat"], "f"),
            node("ReduceMax", ["f"], "best", axes=[1], keepdims=1),
            onnx.helper.make_node("TopK", ["best", "k"], ["", "order"], name="topk", axis=2),
            node("Expand", ["order", "rows"], "index"),
            node("GatherElements", ["f", "index"], "y", axis=2),
        ],
        {"flat": np.array([0, 6, -1]), "k": np.array([5]), "rows": np.array([1, 6, 5])},
    ),
    "peaks": (
        [
            node("MaxPool", ["scores"], "largest", kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]),
            node("Equal", ["largest", "scores"], "is_peak"),
            node("Cast", ["is_peak"], "mask", to=TensorProto.FLOAT),
            node("Mul", ["scores", "mask"], "peaks"),
            node("Concat", ["boxes", "peaks"], "y", axis=1),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_boxes_and_scores_are_found_behind_what_joins_and_selects(name):
    nodes, constants = ENDS[name]
    assert judged_values(with_heads(*nodes, **constants).graph) == ("boxes", "scores")


def test_logits_are_judged_and_not_their_softmax():
    softmax = node("Softmax", ["logits"], "y", axis=1)
    assert judged_values(with_heads(softmax).graph) == ("logits",)


def test_a_number_of_the_best_class_is_judged_by_the_scores():
    best = node("ArgMax", ["scores"], "y", axis=1, keepdims=0)
    assert judged_values(with_heads(best).graph) == ("scores",)


def test_an_output_that_is_made_itself_is_judged_itself():
    assert judged_values(with_heads(outputs=("boxes", "scores")).graph) == ("boxes", "scores")


def test_an_output_that_is_only_the_input_leaves_the_outputs_themselves():
    model = model_of([node("Flatten", ["x"], "y")], {})
    assert judged_values(model.graph) == ("y",)


@pytest.mark.parametrize("lost", [{"w1": np.zeros_like(WEIGHTS["w1"])}, {"shift": np.float32(-30)}], ids=["boxes", "scores"])
def test_either_of_boxes_in_pixels_and_scores_shows_when_it_is_lost(lost):
    """As after one Concat on one grid, where every score is less than half a step."""
    nodes, constants = ENDS["joined, flat, turned"]
    model, broken = with_heads(*nodes, **constants), with_heads(*nodes, **constants, **lost)
    samples = samples_for(model, 8)
    if "shift" in lost:  # judged as one output, the boxes cover it up
        assert sqnr_db(outputs_of(model, samples)["y"], outputs_of(broken, samples)["y"]) > 30
    judge = Judge(RUNTIME, model, samples, threads=1)
    assert judge.sqnr_db(broken) < 10
    assert judge.sqnr_db(model) == np.inf


def test_noise_is_the_mean_of_the_relative_errors():
    """By numpy, over all samples and over the first ones."""
    model = with_heads(*ENDS["joined"][0])
    samples = samples_for(model, 6)
    judge, other = Judge(RUNTIME, model, samples, threads=1), with_heads(*ENDS["joined"][0], w2=WEIGHTS["w2"] * np.float32(1.1))
    for count in (None, 2):
        wanted, got = (outputs_of(some, samples[:count])["y"] for some in (model, other))
        shares = [np.sum((wanted - got)[:, :, part] ** 2) / np.sum(wanted[:, :, part] ** 2) for part in (slice(4), slice(4, 6))]
        assert judge.noise(other, count=count) == pytest.approx(np.mean(shares), rel=1e-4)


def test_a_value_that_is_always_zero_does_not_count():
    model = with_heads(*ENDS["joined"][0], w1=np.zeros_like(WEIGHTS["w1"]))
    other = with_heads(*ENDS["joined"][0], w1=np.zeros_like(WEIGHTS["w1"]), w2=WEIGHTS["w2"] * np.float32(1.1))
    judge = Judge(RUNTIME, model, samples_for(model, 4), threads=1)
    wanted, got = (outputs_of(some, samples_for(model, 4))["y"][:, :, 4:] for some in (model, other))
    assert judge.sqnr_db(other) == pytest.approx(to_db(float(np.sum((wanted - got) ** 2) / np.sum(wanted**2))), abs=0.01)


@pytest.mark.parametrize("largest", [0.2, 2.0])
def test_values_are_judged_as_their_readers_get_them(largest):
    """A 3x3 convolution writes 8 bits: the range of its own output counts, though only a Reshape reads it."""
    model = model_of(
        [conv("x", "a", "w", name="layer"), node("Reshape", ["a", "flat"], "y")],
        {"w": normal(6, 4, 3, 3), "flat": np.array([0, -1])},
    )
    placement, samples = place(model, ONNXRUNTIME), samples_for(model, 6)
    grids = {
        "x": compute_qparams(0, 1, "uint8", symmetric=False),
        "a": compute_qparams(-largest, largest, "uint8", symmetric=False),
    }
    layers = find_layers(model.graph, frozenset(placement.quantized))
    delivered = assemble(model, placement, Fitted(grids, round_all_to_nearest(layers, grids)))
    assert judged_values(model.graph) == ("a",)
    shown = sqnr_db(outputs_of(model, samples)["y"], outputs_of(delivered, samples)["y"])
    assert Judge(RUNTIME, model, samples, threads=1).sqnr_db(delivered) == pytest.approx(shown, abs=0.01)
    assert (shown > 20) == (largest == 2.0)
