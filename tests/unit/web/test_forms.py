"""Forms: every text reads as a value or gets a message that says what to give and what was given."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.calibration.range_estimators import RANGE_ESTIMATORS as ENGINE_ESTIMATORS
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings
from app.web.forms.optimize import LABELS, SWITCHES, OptimizeForm
from app.web.forms.preprocessing import PreprocessingForm
from app.web.pages.optimize import choices


def messages(**typed: str) -> dict[str, str]:
    _, mistakes = OptimizeForm.of(typed).read()
    return {mistake.field: mistake.message for mistake in mistakes}


def test_usual_values_are_right() -> None:
    settings, mistakes = OptimizeForm.of({}, max_drop="0.5").read()
    assert mistakes == ()
    assert (settings.method, settings.max_drop, settings.subset_size, settings.seed) == ("accuracy-aware", 0.5, 300, 0)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("-1", "Give 0 to 100. You gave −1; it is written without a minus: 1."),
        ("−1", "Give 0 to 100. You gave −1; it is written without a minus: 1."),
        ("NaN", "Give 0 to 100. You gave “NaN”, which is no amount; 1.0 is usual."),
        ("inf", "Give 0 to 100. You gave “inf”, which is no amount; 1.0 is usual."),
        ("1e308", "Give 0 to 100. You gave 1e+308; 1.0 is usual."),
        ("1e999", "Give 0 to 100. You gave “1e999”, which is no amount; 1.0 is usual."),
        ("", "Give 0 to 100. The field is empty; 1.0 is usual."),
        ("one", "Give 0 to 100. You gave “one”, which is not a number."),
    ],
)
def test_wrong_drops(typed: str, says: str) -> None:
    assert messages(max_drop=typed) == {"max_drop": says}


def test_default_does_not_read_the_hidden_drop() -> None:
    assert messages(method="default", max_drop="-1") == {}


def test_a_comma_is_a_decimal_point() -> None:
    settings, mistakes = OptimizeForm.of({"max_drop": "0,5"}).read()
    assert (settings.max_drop, mistakes) == (0.5, ())


def test_a_subset_larger_than_any_dataset_is_left_to_the_plan() -> None:
    settings, mistakes = OptimizeForm.of({"subset_size": "100000"}).read()
    assert (settings.subset_size, mistakes) == (100000, ())


def test_every_mistake_is_found_at_once() -> None:
    found = messages(max_drop="-1", subset_size="0", seed="1.5", preset="best", method="accuracy-aware")
    assert set(found) == {"max_drop", "subset_size", "seed", "preset"}


def test_choices_are_those_of_the_engine() -> None:
    """Every estimator and every value of a setting has its words on the page, and no other has."""
    offered = choices(OptimizeForm())
    assert {value for value, _ in offered.pop("range_estimator")} == {"auto", *ENGINE_ESTIMATORS}
    hints = get_type_hints(QuantizationSettings)
    for name, options in offered.items():
        assert {value for value, _ in options} == {str(value) for value in get_args(hints[name])}
    assert set(LABELS) == {f.name for f in fields(QuantizationSettings)}
    assert {name for name, kind in hints.items() if kind is bool} == set(SWITCHES)


def test_usual_values_are_those_of_the_engine() -> None:
    """Who never opens More settings gets what the engine does by itself."""
    assert OptimizeForm(method="default").read() == (QuantizationSettings(), ())


PATTERNS = st.lists(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12), max_size=4)


@given(
    st.builds(
        QuantizationSettings,
        max_drop=st.floats(0, 100),
        seed=st.integers(0, 2**32 - 1),
        subset_size=st.integers(1, 10**9),
        range_estimator=st.sampled_from(["auto", *ENGINE_ESTIMATORS, "percentile:99.9"]),
        keep_float=PATTERNS.map(lambda texts: tuple(dict.fromkeys(texts))),
        method=st.just("accuracy-aware"),
    )
)
def test_shown_settings_read_back(settings: QuantizationSettings) -> None:
    form = OptimizeForm.show(settings)
    assert form.read() == (settings, ())
    assert OptimizeForm.of(form.query()) == form  # as a link carries them


def test_a_checkbox_that_is_off_is_told_from_one_that_is_missing() -> None:
    assert OptimizeForm.of({"rounding": "off"}).read()[0].rounding is False
    assert OptimizeForm.of({}).read()[0].rounding is True


def test_mistakes_carry_the_codes_of_the_api() -> None:
    typed = {"seed": "-1", "range_estimator": "best", "keep_float": "a\x00b", "precision": "int4", "max_drop": "x"}
    _, mistakes = OptimizeForm.of(typed).read()
    assert {mistake.field: mistake.code for mistake in mistakes} == {
        "seed": "settings.seed",
        "range_estimator": "settings.range_estimator",
        "keep_float": "settings.keep_float",
        "precision": "request.invalid",
        "max_drop": "settings.max_drop",
    }


@given(st.dictionaries(st.sampled_from(["max_drop", "subset_size", "seed", "method", "preset", "drop_type"]), st.text()))
def test_any_text_is_read_or_refused(typed: dict[str, str]) -> None:
    settings, mistakes = OptimizeForm.of(typed).read()
    assert settings.subset_size >= 1
    assert all(mistake.message for mistake in mistakes)


@pytest.mark.parametrize(
    "value",
    [
        Preprocessing(224, 224, mean=(123.675, 116.28, 103.53), divide_by=(58.395, 57.12, 57.375)),
        Preprocessing(28, 28, "none", 28, "nearest", "GRAY", (127.5,), (127.5,), "NHWC"),
        Preprocessing(64, 48, "stretch", 256, "bicubic", "BGR"),
    ],
)
def test_a_shown_preprocessing_reads_back(value: Preprocessing) -> None:
    assert PreprocessingForm.show(value, -1).read() == (value, -1, ())


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("height", "0"),
        ("height", "99999"),
        ("width", "wide"),
        ("shorter_side", "-3"),
        ("mean", "1, 2"),
        ("mean", "nan, 0, 0"),
        ("mean", ""),
        ("divide_by", "1, 0, 1"),
        ("divide_by", "1e999"),
        ("colour", "CMYK"),
        ("layout", "NCWH"),
        ("resize", "crop"),
        ("interpolation", "best"),
        ("label_offset", "0.5"),
    ],
)
def test_wrong_preprocessing_names_its_field(field: str, typed: str) -> None:
    value, _, mistakes = PreprocessingForm.of({"height": "32", "width": "32", field: typed}).read()
    assert value is None
    assert [mistake.field for mistake in mistakes] == [field]


def test_one_number_counts_for_every_channel() -> None:
    value, _, mistakes = PreprocessingForm.of({"height": "32", "width": "32", "divide_by": "255"}).read()
    assert mistakes == ()
    assert value is not None
    assert value.divide_by == (255.0, 255.0, 255.0)


@given(st.text())
def test_any_mean_is_read_or_refused(text: str) -> None:
    value, _, mistakes = PreprocessingForm.of({"height": "32", "width": "32", "mean": text}).read()
    assert (value is None) == bool(mistakes)
