"""The words of results: every verdict the engine can give has its sentence, with n and a spread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.quantize.recipe import QuantizationSettings
from app.services.run_sentences import kept_in_float, optimized_saying, run_saying, run_title
from app.services.sentences import limit_words, project_saying, twin_clause, variant_sentence
from app.services.views import VariantView
from tests.support import factories
from tests.support.factories import a_default, a_trial, a_variant, an_accuracy_aware

UNCHANGED: dict[str, Any] = {"lost": 0, "gained": 0, "correct": 431}


def with_ratio(variant: VariantView, value: float, half: float) -> VariantView:
    from app.engine.benchmark.verdict import judge_speed

    assert variant.paired is not None
    speedup = factories.an_interval(value, half)
    return replace(variant, paired=replace(variant.paired, speedup=speedup), speed=judge_speed(speedup))


SENTENCES = [
    pytest.param(a_default(**UNCHANGED), "INT8 Default is 2.0× faster; accuracy unchanged within ±0.8 points on 500 images."),
    pytest.param(a_default(), "INT8 Default is 2.0× faster; it loses 1.8 ± 1.8 points of top-1 on 500 images.", id="loses"),
    pytest.param(
        a_default(lost=3, gained=25, correct=453),
        "INT8 Default is 2.0× faster; it gains 4.4 ± 2.3 points of top-1 on 500 images.",
        id="gains",
    ),
    pytest.param(
        a_default(n=100, lost=6, gained=2, correct=80),
        "INT8 Default is 2.0× faster; 100 images are too few to tell its accuracy (−4.0 ± 6.8 points).",
        id="too few",
    ),
    pytest.param(
        a_default(n=1, lost=0, gained=0, correct=1),
        "INT8 Default is 2.0× faster; accuracy changed by 0.0 ± 79.3 points on 1 image, too few to be certain.",
        id="one image",
    ),
    pytest.param(
        a_default(n=1, lost=1, gained=0, correct=0),
        "INT8 Default is 2.0× faster; 1 image is too few to tell its accuracy (−100.0 ± 158.7 points).",
        id="one image lost",
    ),
    pytest.param(
        a_default(lost=3, gained=2, correct=430),
        "INT8 Default is 2.0× faster; accuracy changed by −0.2 ± 1.2 points on 500 images, too few to be certain.",
        id="inside the limit, not certain",
    ),
    pytest.param(
        a_default(labelled=False, lost=7, gained=0),
        "INT8 Default is 2.0× faster; it gives the same answer as FP32 on 493 of 500 images.",
        id="agreement without labels",
    ),
    pytest.param(
        with_ratio(a_default(**UNCHANGED), 0.9, 0.02),
        "INT8 Default is slower (0.90× ± 0.02); accuracy unchanged within ±0.8 points on 500 images.",
        id="slower",
    ),
    pytest.param(
        with_ratio(a_default(**UNCHANGED), 1.0, 0.01),
        "INT8 Default is as fast as FP32 (1.00× ± 0.01); accuracy unchanged within ±0.8 points on 500 images.",
        id="same speed",
    ),
    pytest.param(
        with_ratio(a_default(**UNCHANGED), 1.02, 0.05),
        "Whether INT8 Default is faster cannot be told (1.02× ± 0.05); accuracy unchanged within ±0.8 points on 500 images.",
        id="speed cannot be told",
    ),
    pytest.param(
        with_ratio(a_default(**UNCHANGED), 1.06, 0.02),
        "INT8 Default is 1.06× faster; accuracy unchanged within ±0.8 points on 500 images.",
        id="little faster",
    ),
    pytest.param(
        a_default(paired=None, speed=None, **UNCHANGED),
        "INT8 Default is not measured against FP32 yet; accuracy unchanged within ±0.8 points on 500 images.",
        id="not measured",
    ),
    pytest.param(a_default(evaluation=None), "INT8 Default is 2.0× faster.", id="not evaluated"),
]


@pytest.mark.parametrize(("variant", "sentence"), SENTENCES)
def test_every_verdict_has_its_sentence(variant: VariantView, sentence: str) -> None:
    assert variant_sentence(variant) == sentence


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (LimitVerdict("certified", 1.0, 0.0), "kept, certified"),
        (LimitVerdict("kept", 1.0, 0.0), "kept, not certain"),
        (LimitVerdict("missed", 1.0, 0.8), "missed by 0.8"),
        (LimitVerdict("missed", 1.0, 0.02), "missed by 0.02"),
    ],
)
def test_limit_words(verdict: LimitVerdict, words: str) -> None:
    assert limit_words(verdict) == words


def test_project_leads_with_the_best_variant_and_names_a_faster_one_that_misses() -> None:
    variants = (a_variant(), an_accuracy_aware(**UNCHANGED), a_default())
    said = project_saying(variants, variants[1], 1.0)
    assert said.sentence == "INT8 AccuracyAware is 1.8× faster; accuracy unchanged within ±0.8 points on 500 images."
    assert said.detail == "INT8 Default is faster still (2.0×) but loses 1.8 ± 1.8 points, more than your limit of 1.0 point."


def test_project_with_only_a_baseline_invites_to_go_on() -> None:
    original = a_variant()
    said = project_saying((original,), original, 1.0)
    assert said.sentence == "The baseline is measured. Now see what INT8 gains."
    assert said.detail == "FP32: 331 FPS, top-1 86.2 % on 500 images, 14.0 MB."


def test_project_whose_int8_is_not_faster_keeps_the_float_model() -> None:
    slower = with_ratio(a_default(**UNCHANGED), 0.98, 0.01)
    original = a_variant()
    said = project_saying((original, slower), original, 1.0)
    assert said.sentence == "INT8 is not faster on this CPU, so the float model stays."
    assert "0.98× ± 0.01" in said.detail


def test_project_whose_fast_variant_misses_the_limit_says_so() -> None:
    original = a_variant()
    said = project_saying((original, a_default()), original, 0.5)
    assert said.sentence == "No INT8 variant that is faster keeps your limit of 0.5 points, so the float model stays."


def optimized(variant: VariantView, **settings: Any) -> str:
    from app.engine.quantize.recipe import QuantizationSettings

    said = run_saying(
        "optimize",
        "succeeded",
        settings=QuantizationSettings(**settings),
        stages=(),
        trials=(),
        error=None,
        variant=variant,
        original=a_variant(),
    )
    return said.sentence


def test_outcome_of_a_search_says_first_whether_the_limit_is_kept() -> None:
    kept = an_accuracy_aware(**UNCHANGED)
    assert optimized(kept, method="accuracy-aware") == (
        "INT8 AccuracyAware is 1.8× faster; the limit of 1.0 point is kept, certified on 500 images."
    )
    uncertain = an_accuracy_aware(lost=4, gained=2, correct=429)
    assert optimized(uncertain, method="accuracy-aware") == (
        "INT8 AccuracyAware is 1.8× faster; the limit of 1.0 point is kept, but not for certain on 500 images."
    )
    missed = an_accuracy_aware(lost=12, gained=3, correct=422)
    assert optimized(missed, method="accuracy-aware", max_drop=0.2) == (
        "The limit of 0.2 points was missed. Best: INT8 AccuracyAware is 1.8× faster; "
        "it loses 1.8 ± 1.8 points of top-1 on 500 images."
    )
    slow = with_ratio(an_accuracy_aware(**UNCHANGED), 0.9, 0.02)
    assert optimized(slow, method="accuracy-aware").startswith("INT8 inside your limit is not faster.")


def test_relative_limit_is_named_as_such() -> None:
    from app.engine.quantize.recipe import QuantizationSettings

    settings = QuantizationSettings(method="accuracy-aware", max_drop=2.0, drop_type="relative")
    assert run_title("optimize", settings) == "AccuracyAware, limit 2.0 % of the FP32 top-1"
    assert run_title("optimize", QuantizationSettings(method="accuracy-aware")) == "AccuracyAware, limit 1.0 point"
    assert run_title("optimize", QuantizationSettings()) == "INT8 Default"
    assert run_title("baseline", None) == "Baseline"


def test_running_search_tells_the_best_trial_so_far() -> None:
    trials = (a_trial(1, 0, lost=12, gained=3), a_trial(2, 1, lost=2, gained=2))
    said = run_saying(
        "optimize",
        "running",
        settings=None,
        stages=factories.stages(),
        trials=trials,
        error=None,
        variant=None,
        original=None,
    )
    assert said.sentence.startswith("Best so far is inside your limit")
    assert "trial 2, 1 layer in float" in said.sentence
    first = run_saying(
        "optimize",
        "running",
        settings=None,
        stages=factories.stages(),
        trials=trials[:1],
        error=None,
        variant=None,
        original=None,
    )
    assert first.sentence == "No trial is inside your limit yet."
    assert "−1.8 ± 1.8 points on 500 images" in first.detail


def test_kept_layers_are_counted() -> None:
    assert kept_in_float(an_accuracy_aware()) == "2 of 50 nodes stayed in float."
    everything = a_default(recipe=factories.a_recipe(kept_in_float={}))
    assert kept_in_float(everything) == "All 48 nodes that can be are in INT8."
    assert kept_in_float(a_variant()) == ""


def test_not_faster_says_why_and_offers_fp32() -> None:
    slower = with_ratio(a_default(**UNCHANGED, recipe=factories.a_told_recipe()), 0.9, 0.02)
    said = optimized_saying(slower, None, "FP32")
    assert said.sentence.startswith("INT8 Default is slower (0.90× ± 0.02)")
    assert said.detail == (
        "It is not measurably faster than FP32 on this CPU: keep FP32, unless the size counts. "
        "98.2 % of the multiply-adds run in integer kernels. "
        "In float stay 2 × slower in INT8 here, 1 × final scores stay in float."
    )
    project = project_saying((a_variant(), slower), a_variant(), 1.0)
    assert "the float model stays" in project.sentence
    assert "2 × slower in INT8 here" in project.detail


def test_not_faster_without_a_told_reason() -> None:
    silent = with_ratio(a_default(**UNCHANGED, recipe=None), 1.0, 0.01)
    assert optimized_saying(silent, None, "FP32").detail == (
        "It is not measurably faster than FP32 on this CPU: keep FP32, unless the size counts."
    )


@pytest.mark.parametrize(("ratio", "said"), [(1.1, "The same exact rewrites alone make FP32 1.10× faster."), (1.01, "")])
def test_int8_is_not_praised_for_rewrites(ratio: float, said: str) -> None:
    told = a_default(**UNCHANGED, twin=factories.a_paired(350.0, ratio, name="fp32-rewritten"))
    assert twin_clause(told) == said
    assert optimized_saying(told, None, "FP32").detail.startswith(said)


def test_settings_stand_in_the_title_of_a_run() -> None:
    settings = QuantizationSettings(preset="mixed", weight_bits=7)
    assert run_title("optimize", settings) == "INT8 Default · mixed · 7-bit weights"
    aware = replace(settings, method="accuracy-aware", preset="performance")
    assert run_title("optimize", aware) == "AccuracyAware, limit 1.0 point · 7-bit weights"
