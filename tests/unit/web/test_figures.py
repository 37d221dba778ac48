"""The charts: structure, tokens, limits, escaping; what a browser draws of them is looked at in tests/browser."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.numerics.intervals import Interval
from app.web.figures import accuracy_bars, grid_chart, latency_marks, pareto, size_bars, throughput_bars, trials_chart
from app.web.figures.parts import escape
from tests.support.factories import (
    HOSTILE,
    a_default,
    a_grid,
    a_paired,
    a_variant,
    an_accuracy_aware,
    an_evaluation,
    three_variants,
    trials,
)

GUIDE_TOKENS = {"surface", "line-strong", "ink", "muted", "grid", "zone", "fp32", "int8", "int8-text", "aa", "aa-text"}


def all_figures() -> dict[str, Any]:
    variants = three_variants()
    return {
        "pareto": pareto(variants, 1.0),
        "pareto without labels": pareto([a_variant(labelled=False), a_default(labelled=False, lost=30, gained=0)], 1.0),
        "pareto of a baseline": pareto([replace(a_variant(), paired=None)], 1.0),
        "trials": trials_chart(trials(), an_evaluation()),
        "throughput": throughput_bars(variants),
        "latency": latency_marks(variants),
        "accuracy": accuracy_bars(variants, variants[0], 1.0),
        "size": size_bars(variants),
        "grid": grid_chart(a_variant()),
    }


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a figure with the key it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)


@pytest.mark.parametrize("name", all_figures())
def test_figures_are_json_without_nan(name: str) -> None:
    json.dumps(all_figures()[name], allow_nan=False)


@pytest.mark.parametrize("name", all_figures())
def test_colours_are_tokens_of_the_guide(name: str) -> None:
    for key, text in strings(all_figures()[name]):
        if "color" in key:
            assert text == "rgba(0,0,0,0)" or text.removeprefix("$") in GUIDE_TOKENS, (key, text)


@pytest.mark.parametrize("name", all_figures())
def test_no_markup_that_plotly_writes_as_a_style_attribute(name: str) -> None:
    """Under `style-src 'self'` a browser refuses it and reports it."""
    for _, text in strings(all_figures()[name]):
        assert re.search(r"<(?!br>|/?extra>)", text) is None, text


def test_nan_in_an_interval_draws_no_whisker_and_no_nan() -> None:
    broken = replace(a_paired(637.0, 2.0), throughput_fps=Interval(637.0, math.nan, math.nan))
    figure = pareto([a_variant(), replace(a_default(), paired=broken)], 1.0)
    json.dumps(figure, allow_nan=False)


def test_no_figure_without_measurements() -> None:
    empty = replace(a_variant(), evaluation=None, grid=None, paired=None)
    assert pareto([empty], 1.0) is None
    assert throughput_bars([empty]) is None
    assert latency_marks([empty]) is None
    assert accuracy_bars([empty], empty, 1.0) is None
    assert grid_chart(empty) is None
    assert trials_chart([], an_evaluation()) is None


def test_pareto_draws_every_variant_at_its_measured_place() -> None:
    figure = pareto(three_variants(), 1.0)
    assert figure is not None
    marks = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    assert [(m["x"][0], m["y"][0]) for m in marks] == [(318.0, 86.2), (573.0, 86.2), (637.0, 84.4)]
    whiskers = [m["error_y"] for m in marks]
    assert whiskers[0] == {"visible": False}
    drop = a_default().evaluation.top1_drop.points  # type: ignore[union-attr]
    assert whiskers[2]["array"] == [round(drop.value - drop.low, 6)]
    assert whiskers[2]["arrayminus"] == [round(drop.high - drop.value, 6)]


@pytest.mark.parametrize("max_drop", [0.0, 0.5, 1.0, 3.0])
def test_pareto_draws_the_limit_below_fp32(max_drop: float) -> None:
    figure = pareto(three_variants(), max_drop)
    assert figure is not None
    zone, line = figure["layout"]["shapes"]
    assert (line["y0"], line["y1"]) == (pytest.approx(86.2 - max_drop),) * 2
    assert (zone["y0"], zone["y1"]) == (figure["layout"]["yaxis"]["range"][0], line["y0"])
    text = next(a["text"] for a in figure["layout"]["annotations"] if a["text"].startswith("Your limit"))
    assert f"{86.2 - max_drop:.1f}" in text


def test_a_limit_far_below_does_not_squash_the_points() -> None:
    figure = pareto(three_variants(), 60.0)
    assert figure is not None
    low, high = figure["layout"]["yaxis"]["range"]
    assert high - low < 20


def test_front_steps_between_variants_that_nothing_beats() -> None:
    beaten = replace(a_default(fps=500.0, ratio=1.57, correct=420, lost=12, gained=1), id="beaten")
    figure = pareto([*three_variants(), beaten], 1.0)
    assert figure is not None
    front = figure["data"][0]
    assert list(zip(front["x"], front["y"], strict=True)) == [(637.0, 84.4), (573.0, 84.4), (573.0, 86.2)]


def test_without_labels_the_axis_is_agreement() -> None:
    figure = pareto([a_variant(labelled=False), a_default(labelled=False, lost=30, gained=0)], 1.0)
    assert figure is not None
    assert "Agreement" in figure["layout"]["yaxis"]["title"]["text"]
    assert [t["y"][0] for t in figure["data"] if t["mode"] == "markers"] == [100.0, 94.0]


def test_trials_sit_side_by_side_by_layers_in_float() -> None:
    figure = trials_chart(trials(), an_evaluation())
    assert figure is not None
    axis = figure["layout"]["xaxis"]
    assert dict(zip(axis["tickvals"], axis["ticktext"], strict=True)) == {0: "0", 1: "1", 2: "2", 3: "3", 4: "4"}
    path, *marks = figure["data"]
    assert path["x"] == [0, 1, 2, 4, 3]
    colours = [mark["marker"]["color"] for mark in marks]
    assert colours == ["$int8", "$surface", "$surface", "$surface", "$aa"]


def test_names_twice_give_two_rows() -> None:
    twins = [a_default(), replace(a_default(), id="other")]
    figure = throughput_bars(twins)
    assert figure is not None
    assert figure["data"][0]["y"] == [0, 1]


def test_accuracy_draws_limit_and_zone() -> None:
    figure = accuracy_bars(three_variants(), a_variant(), 1.0)
    assert figure is not None
    zero, limit, zone = figure["layout"]["shapes"]
    assert (zero["x0"], limit["x0"], zone["x1"]) == (0, -1.0, -1.0)
    assert zone["x0"] == figure["layout"]["xaxis"]["range"][0]


def test_size_labels_the_ratio_of_all_but_fp32() -> None:
    texts = [note["text"] for note in size_bars(three_variants())["layout"]["annotations"]]
    assert texts == ["14.0 MB", "0.31×  4.3 MB", "0.27×  3.8 MB"]


def test_grid_has_a_line_per_batch() -> None:
    figure = grid_chart(a_variant())
    assert figure is not None
    assert len(figure["data"]) == 2
    assert len(figure["layout"]["annotations"]) == len(a_grid().cells)


@pytest.mark.parametrize("build", [pareto, throughput_bars, latency_marks, size_bars, accuracy_bars, grid_chart])
def test_user_text_means_itself_only(build: Any) -> None:
    named = replace(an_accuracy_aware(), name=HOSTILE)
    arguments = {
        pareto: ([a_variant(), named], 1.0),
        accuracy_bars: ([a_variant(), named], a_variant(), 1.0),
        grid_chart: (named,),
    }
    figure = build(*arguments.get(build, ([a_variant(), named],)))
    for _, text in strings(figure):
        assert "<img" not in text
        assert "$int8" not in text or text == "$int8"
        assert "%{x} =" not in text
        assert re.search(r"&(?!#?\w+;)", text) is None


@given(st.text())
def test_escape_leaves_nothing_with_a_meaning(text: str) -> None:
    escaped = escape(text)
    assert not set("<>$%") & set(escaped)
    assert re.search(r"&(?!(amp|lt|gt|#36|#37);)", escaped) is None


def test_tokens_used_exist_in_the_style_sheets() -> None:
    css = "".join(sheet.read_text(encoding="utf-8") for sheet in (Path(__file__).parents[3] / "static" / "css").glob("*.css"))
    assert all(f"--wb-{token}:" in css for token in GUIDE_TOKENS)
