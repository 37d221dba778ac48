"""The search against made-up models that know how they want their images: whatever the truth, it is found; however early the
time is up, there is an answer made of completed comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.engine.preprocessing.candidates import (
    ImageInput,
    coarse_candidates,
    nearly_same_values,
    other_interpolations,
    other_resizes,
    usualness,
)
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.preflight import Outcome, PreflightSearch
from app.engine.preprocessing.presets import PRESETS

COLOUR = ImageInput(224, 224, 3, "NCHW")
GREY = ImageInput(28, 28, 1, "NHWC")
CLASSES = 20


class MadeUpModel:
    """Says the label with a probability that falls with every respect in which the preprocessing is not the wanted one."""

    def __init__(self, wanted: Preprocessing, n: int = 48, *, offset: int = 0, seed: int = 0) -> None:
        self.wanted = wanted
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(1, CLASSES - 1, n)
        self._positions, self._ease = self.labels + offset, rng.uniform(-0.15, 0.15, n)
        self.calls: list[tuple[Preprocessing, Sequence[int]]] = []

    def __call__(self, p: Preprocessing, samples: Sequence[int]) -> np.ndarray:
        self.calls.append((p, samples))
        wanted, chosen = self.wanted, list(samples)
        quality = 0.8
        quality -= 0.30 * (p.colour != wanted.colour)
        quality -= 0.45 * ((p.mean, p.divide_by) != (wanted.mean, wanted.divide_by) and p.colour == wanted.colour)
        quality -= 0.15 * ((p.resize, p.shorter_side) != (wanted.resize, wanted.shorter_side))
        quality -= 0.05 * (p.interpolation != wanted.interpolation)
        of_label = np.clip(quality + self._ease[chosen], 0.02, 0.98)
        probabilities = np.repeat(((1 - of_label) / (CLASSES - 1))[:, None], CLASSES, axis=1)
        probabilities[np.arange(len(chosen)), self._positions[chosen]] = of_label
        return probabilities.astype(np.float32)

    def search(self, image: ImageInput, offsets: Sequence[int] = (0, 1, -1), calls: int | None = None) -> Outcome:
        """The search, out of time after `calls` calls of the model."""
        out_of_time = (lambda: False) if calls is None else (lambda: len(self.calls) >= calls)
        return PreflightSearch(self, self.labels, offsets, out_of_time=out_of_time).run(image)


def every_truth(image: ImageInput) -> list[Preprocessing]:
    coarse = coarse_candidates(image)
    resized = [other for p in coarse[:3] for other in other_resizes(p)]
    return [*coarse, *resized, *(other for p in (coarse[0], resized[0]) for other in other_interpolations(p))]


@pytest.mark.parametrize("image", [COLOUR, GREY], ids=["colour", "grey"])
def test_whatever_the_model_wants_is_found(image: ImageInput) -> None:
    for wanted in every_truth(image):
        chosen = MadeUpModel(wanted).search(image).trials[0]
        assert chosen.preprocessing == wanted
        assert chosen.evidence.tried == 48


@pytest.mark.parametrize("offset", [0, 1, -1])
def test_label_offset_is_found(offset: int) -> None:
    outcome = MadeUpModel(coarse_candidates(COLOUR)[0], offset=offset).search(COLOUR)
    assert outcome.trials[0].label_offset == offset
    others = [trial for trial in outcome.trials if trial.label_offset != offset]
    assert {trial.preprocessing for trial in others} == {outcome.trials[0].preprocessing}
    assert all(trial.evidence.matches == 0 for trial in others)


def test_only_allowed_offsets_are_tried() -> None:
    outcome = MadeUpModel(coarse_candidates(COLOUR)[0], offset=1).search(COLOUR, offsets=(0,))
    assert {trial.label_offset for trial in outcome.trials} == {0}


def test_model_that_does_not_care_gets_the_most_usual_and_is_called_close() -> None:
    class Indifferent(MadeUpModel):
        def __call__(self, p: Preprocessing, samples: Sequence[int]) -> np.ndarray:
            return super().__call__(self.wanted, samples)

    outcome = Indifferent(PRESETS["torchvision"](224, 224, 3, "NCHW")).search(COLOUR)
    assert outcome.trials[0].preprocessing == min(coarse_candidates(COLOUR), key=usualness)
    assert outcome.trials[0].preprocessing == PRESETS["torchvision"](224, 224, 3, "NCHW")
    assert outcome.decided == "close"


def test_model_that_is_never_right_is_not_called_clear() -> None:
    outcome = MadeUpModel(coarse_candidates(COLOUR)[0], offset=1).search(COLOUR, offsets=(0,))
    assert outcome.trials[0].evidence.matches == 0
    assert outcome.decided == "close"


def test_clear_winner_is_called_clear() -> None:
    assert MadeUpModel(coarse_candidates(COLOUR)[8]).search(COLOUR).decided == "clear"


def test_any_time_limit_gives_an_answer_from_completed_comparisons() -> None:
    wanted = coarse_candidates(COLOUR)[7]
    full = MadeUpModel(wanted)
    full.search(COLOUR)
    for calls in range(1, len(full.calls) + 1):
        model = MadeUpModel(wanted)
        outcome = model.search(COLOUR, calls=calls)
        assert len(model.calls) == calls
        chosen = outcome.trials[0]
        assert chosen.evidence.tried >= 4
        if calls >= 12:  # every candidate has been seen once
            assert chosen.preprocessing == wanted


def test_search_is_deterministic_and_cheap() -> None:
    first, second = MadeUpModel(coarse_candidates(COLOUR)[3]), MadeUpModel(coarse_candidates(COLOUR)[3])
    assert [trial.preprocessing for trial in first.search(COLOUR).trials] == [
        trial.preprocessing for trial in second.search(COLOUR).trials
    ]
    assert first.calls == second.calls
    inferences = sum(len(samples) for _, samples in first.calls)
    assert inferences <= 12 * 48  # a grid of everything would be 72 candidates x 48


def test_no_sample_is_shown_twice() -> None:
    model = MadeUpModel(coarse_candidates(COLOUR)[3])
    model.search(COLOUR)
    seen = [(p, sample) for p, samples in model.calls for sample in samples]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("n", [1, 3, 5, 20])
def test_small_datasets_are_enough_for_an_answer(n: int) -> None:
    wanted = coarse_candidates(COLOUR)[9]
    outcome = MadeUpModel(wanted, n).search(COLOUR)
    assert outcome.trials[0].evidence.tried == n
    assert outcome.trials[0].preprocessing == wanted


def test_progress_counts_up_to_the_plan() -> None:
    model = MadeUpModel(coarse_candidates(COLOUR)[0])
    reported: list[tuple[int, int]] = []
    PreflightSearch(model, model.labels, (0,), on_done=lambda done, planned: reported.append((done, planned))).run(COLOUR)
    done = [count for count, _ in reported]
    assert done == sorted(done)
    assert all(count <= planned for count, planned in reported)
    assert done[-1] > 0.8 * reported[-1][1]


def test_a_given_preprocessing_is_only_checked() -> None:
    model = MadeUpModel(coarse_candidates(COLOUR)[0], offset=1)
    given = replace(coarse_candidates(COLOUR)[5], interpolation="lanczos")
    outcome = PreflightSearch(model, model.labels, (0, 1)).check(given)
    assert outcome.decided == "by-hand"
    assert {p for p, _ in model.calls} == {given}
    assert (outcome.trials[0].evidence.tried, outcome.trials[0].label_offset) == (48, 1)


def test_check_out_of_time_shows_what_was_seen() -> None:
    model = MadeUpModel(coarse_candidates(COLOUR)[0])
    outcome = PreflightSearch(model, model.labels, (0,), out_of_time=lambda: True).check(model.wanted)
    assert 0 < outcome.trials[0].evidence.tried < 48


def test_images_of_the_right_size_are_left_alone_or_cropped() -> None:
    ways = {p.resize for p in coarse_candidates(GREY, same_size=True)}
    assert ways == {"none"}
    (other,) = other_resizes(coarse_candidates(GREY, same_size=True)[0])
    assert (other.resize, other.shorter_side) == ("shorter-side", 32)


def test_integer_inputs_get_plain_pixels() -> None:
    candidates = coarse_candidates(replace(COLOUR, integer=True))
    assert {(p.mean, p.divide_by) for p in candidates} == {((0.0,) * 3, (1.0,) * 3)}
    assert {p.colour for p in candidates} == {"RGB", "BGR"}


def test_ranges_a_grey_level_apart_are_nearly_the_same() -> None:
    lite, signed = PRESETS["efficientnet-lite"](224, 224, 3, "NCHW"), coarse_candidates(COLOUR)[2]
    assert nearly_same_values(lite, signed)
    assert not nearly_same_values(lite, replace(lite, colour="BGR"))
    assert not nearly_same_values(PRESETS["torchvision"](224, 224, 3, "NCHW"), signed)
