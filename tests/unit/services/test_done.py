"""What was done, from recipes that tell everything and from old ones that tell nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.quantize.recipe import KernelReport, NoiseShare, QuantizationSettings, Recipe
from app.engine.records import from_json, to_json
from app.services.done import SHOWN_NOISE, effort_seconds, kept_clause, kept_groups, what_was_done
from app.services.settings_words import DIFFERENCES, differences, kind_words, with_differences
from tests.support.factories import a_recipe, a_told_recipe


def test_everything_is_told() -> None:
    done = what_was_done(a_told_recipe(), {"Calibrate": 2.04, "Quantize": 75.0})
    assert done.integer_share == "98.2 %"
    assert (
        done.kernels[0] == "52 of 53 operators with weights run in integer kernels, with 2 conversions between INT8 and float."
    )
    assert done.kernels[1].startswith("conv_7")
    assert done.rewrites[0] == ("AveragePool as depthwise Conv", ("pool5", "pool6"))
    assert [(group.reason, len(group.nodes)) for group in done.kept] == [
        ("slower in INT8 here", 2),
        ("final scores stay in float", 1),
    ]
    assert done.kept[0].nodes[0].detail == "41 µs against 35 µs"
    assert (done.kept_nodes, done.nodes) == (3, 51)
    assert [(row.percent, row.bar) for row in done.noise[:2]] == [("61.0 %", 1.0), ("30.0 %", pytest.approx(0.492, abs=1e-3))]
    assert len(done.noise) == SHOWN_NOISE
    assert done.noise_rest == "14 more groups make 6.3 % together."
    assert [(c.name, c.result, c.taken) for c in done.candidates] == [
        ("rounded", "29.3 dB", True),
        ("nearest", "26.9 dB", False),
        ("aligned", "nothing to align", False),
    ]
    assert done.seconds == (("Calibrate", "2.0 s"), ("Quantize", "1 min 15 s"))


def test_an_old_recipe_tells_what_it_has() -> None:
    old = to_json(a_recipe())
    for later in ("rewrites", "noise", "kernels", "details"):
        del old[later]
    for name in ("precision", "activations", "weight_granularity", "weight_bits", "effort", "keep_float"):
        del old["settings"][name]
    done = what_was_done(from_json(Recipe, old))
    assert (done.integer_share, done.kernels, done.rewrites, done.noise, done.candidates, done.seconds) == (
        "",
        (),
        (),
        (),
        (),
        (),
    )
    assert done.kept_nodes == 2


@pytest.mark.parametrize(("share", "told"), [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.0, "0.0 %"), (None, "")])
def test_only_all_of_them_reads_as_all(share: float | None, told: str) -> None:
    assert what_was_done(a_recipe(kernels=KernelReport(1, 1, 0, share))).integer_share == told


def test_shares_of_nothing_have_no_bar() -> None:
    assert [row.bar for row in what_was_done(a_recipe(noise=(NoiseShare("a", "Conv", 0.0),))).noise] == [0.0]


def test_why_nodes_are_in_float_in_one_clause() -> None:
    kept = {f"a{n}": f"slower: {n} µs" for n in range(30)} | {"b": "x", "c": "y", "d": "z", "e": "w"}
    assert kept_clause(kept) == "30 × slower, 1 × x, 1 × y and 2 more"
    assert [node.name for node in kept_groups(kept)[0].nodes[:2]] == ["a0", "a1"]


@pytest.mark.parametrize(
    "details", [{"weights": 3}, {"weights": {"candidates": [1, {}, {"name": "x"}]}}, {"weights": None}, {}]
)
def test_details_of_any_shape_are_survived(details: dict[str, Any]) -> None:
    assert len(what_was_done(a_recipe(details=details)).candidates) <= 1


@pytest.mark.parametrize("result", [None, {}, {"effort": None}, {"effort": {"seconds": None}}])
def test_runs_without_an_effort_have_no_steps(result: dict[str, Any] | None) -> None:
    assert effort_seconds(result) == {}


def test_usual_settings_need_no_words() -> None:
    assert differences(QuantizationSettings()) == ()
    assert with_differences("INT8 Default", QuantizationSettings()) == "INT8 Default"


def test_settings_in_words() -> None:
    settings = QuantizationSettings(preset="mixed", weight_granularity="per-tensor", keep_float=("a", "b", "c"), rounding=False)
    assert with_differences(kind_words(settings), settings) == (
        "INT8 Default · mixed · per-tensor weights · no weight rounding · 3 patterns kept in float"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "INT8 Default"),
        ({"method": "accuracy-aware"}, "AccuracyAware"),
        ({"precision": "int8-dynamic"}, "INT8 dynamic"),
        ({"precision": "float16"}, "FP16"),
    ],
)
def test_kinds(changes: dict[str, Any], words: str) -> None:
    assert kind_words(replace(QuantizationSettings(), **changes)) == words


def test_every_setting_has_words_or_is_said_elsewhere() -> None:
    elsewhere = {"method", "precision", "max_drop", "drop_type", "subset_size"}
    assert {f.name for f in fields(QuantizationSettings)} == {*DIFFERENCES, *elsewhere}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=12), max_size=8))
def test_no_node_gets_lost_between_groups(kept: dict[str, str]) -> None:
    assert sorted(node.name for group in kept_groups(kept) for node in group.nodes) == sorted(kept)
