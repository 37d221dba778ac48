"""Candidates stand in the order of their cost: a later one must be clearly better, and no number never is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.affine import compute_qparams
from app.engine.quantize.fitting import (
    CLEARLY_DB,
    FEWEST_HELD_OUT,
    FITTING_SAMPLES,
    HELD_OUT_SAMPLES,
    HELD_OUT_WORK,
    Contest,
    largest_activation_bytes,
    split_samples,
)
from app.engine.quantize.judged import Judge
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.runtimes import get_runtime
from tests.support.odd_models.building import samples_for, two_convolutions


class Given(Judge):
    """Says the next of these dB, whatever the file."""

    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)

    def sqnr_db(self, model: onnx.ModelProto) -> float:
        return self.answers.pop(0)


MODEL = two_convolutions()
PLACEMENT = place(MODEL, ONNXRUNTIME)
RANGES = {"x": (0.0, 1.0), "r": (0.0, 4.0), "y": (-4.0, 4.0)}
GRIDS = {name: compute_qparams(*ends, "uint8", symmetric=False) for name, ends in RANGES.items()}
LAYERS = find_layers(MODEL.graph, frozenset(PLACEMENT.quantized))
ENTRY = MODEL, GRIDS, round_all_to_nearest(LAYERS, GRIDS)


def winner(*answers: float) -> tuple[str, float | None]:
    contest = Contest(Given(*answers))
    names = [f"number {k}" for k in range(len(answers))]
    best = contest.best(PLACEMENT, dict.fromkeys(names, ENTRY))
    assert [each.name for each in contest.judged] == names
    assert [each.sqnr_db for each in contest.judged] == pytest.approx(list(answers), nan_ok=True)
    return best, contest.sqnr_db


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        ((20.0, 21.0, 20.5), 1),
        ((20.0, 20.0), 0),
        ((20.0, 20.0 + 0.9 * CLEARLY_DB), 0),
        ((20.0, 20.0 + 1.1 * CLEARLY_DB), 1),
        ((20.0, np.nan, 19.0), 0),
        ((np.inf, np.inf), 0),
        ((20.0, np.inf), 1),
        ((-3.0, -2.0), 1),
    ],
)
def test_the_clearly_better_one_wins_and_ties_go_to_the_simpler_one(answers, best):
    assert winner(*answers) == (f"number {best}", answers[best])


@given(st.lists(st.sampled_from([10.0, 10.05, 10.2, 15.0, float("nan")]), min_size=1, max_size=6))
def test_nan_wins_only_when_there_is_nothing_else(answers):
    name, shown = winner(*answers)
    numbers = [answer for answer in answers if not np.isnan(answer)]
    if numbers:
        assert shown is not None
        assert shown >= max(numbers) - CLEARLY_DB
    assert name == "number 0" or not np.isnan(answers[int(name.split()[1])])


def test_what_is_known_is_not_judged_again():
    contest = Contest(Given(20.0, 19.0, 20.05, 25.0))
    assert contest.best(PLACEMENT, {"a": ENTRY, "b": ENTRY}) == "a"
    assert contest.best(PLACEMENT, {"a": ENTRY, "c": ENTRY}, known=True) == "a"
    assert contest.best(PLACEMENT, {"a": ENTRY, "d": ENTRY}, known=True) == "d"
    assert [each.name for each in contest.judged] == ["a", "b", "c", "d"]
    assert contest.sqnr_db == 25.0


def test_without_samples_to_judge_on_the_first_one_is_taken_and_the_reason_given():
    contest = Contest(None)
    assert contest.best(PLACEMENT, {"a": ENTRY, "b": ENTRY}) == "a"
    assert [(each.name, each.sqnr_db) for each in contest.judged] == [("a", None)]
    assert "too few samples" in contest.judged[0].reason


def test_candidates_are_judged_by_the_real_kernels():
    """Grids 50 times too wide lose against those that fit."""
    judge = Judge(get_runtime("onnxruntime"), MODEL, samples_for(MODEL, 4), threads=1)
    wide = {name: compute_qparams(50 * low, 50 * high, "uint8", symmetric=False) for name, (low, high) in RANGES.items()}
    entries = {"wide": (MODEL, wide, round_all_to_nearest(LAYERS, wide)), "fit": ENTRY}
    contest = Contest(judge)
    assert contest.best(PLACEMENT, entries) == "fit"
    assert contest.judged[1].sqnr_db > contest.judged[0].sqnr_db + 20


@given(n=st.integers(0, 400), multiply_adds=st.integers(0, 10**12))
def test_samples_are_split_without_overlap_and_fewer_decide_on_large_models(n, multiply_adds):
    fitting, held_out = split_samples(list(range(n)), multiply_adds)
    assert [*fitting, *held_out] == list(range(len(fitting) + len(held_out)))
    assert bool(held_out) == (n >= 3)
    if n >= 3:
        assert 2 <= len(fitting) <= FITTING_SAMPLES
        allowed = min(HELD_OUT_SAMPLES, n - len(fitting))
        assert min(FEWEST_HELD_OUT, allowed) <= len(held_out) <= allowed
        assert len(held_out) <= FEWEST_HELD_OUT or len(held_out) * multiply_adds <= HELD_OUT_WORK


def test_the_largest_activation_is_that_of_one_sample():
    model = onnx.shape_inference.infer_shapes(two_convolutions())
    assert largest_activation_bytes(model) == 4 * 8 * 8 * 8
