"""POT's configuration files: the article's, every parameter, what has no effect, what is wrong and where."""

from __future__ import annotations

import json
import time
from dataclasses import fields, replace
from typing import Any

import pytest

from app.engine.calibration.range_estimators import get_range_estimator
from app.engine.quantize.pot import settings_from_pot, settings_from_pot_file
from app.engine.quantize.pot_text import MAX_CHARS
from app.engine.quantize.recipe import QuantizationSettings
from app.errors import WorkbenchError
from tests.support.shared import SHARED, needs_shared

PARAMS = "compression.algorithms[0].params"


def a_file(params: dict[str, Any] | None = None, *, aware: bool = False, **compression: Any) -> str:
    name = "AccuracyAwareQuantization" if aware else "DefaultQuantization"
    params = {"preset": "performance", "stat_subset_size": 300, **(params or {})}
    return json.dumps({"compression": {"algorithms": [{"name": name, "params": params}], **compression}})


def read(params: dict[str, Any] | None = None, **options: Any) -> QuantizationSettings:
    return settings_from_pot(a_file(params, **options)).settings


def notes(params: dict[str, Any] | None = None, **options: Any) -> tuple[str, ...]:
    return settings_from_pot(a_file(params, **options)).notes


def refused(text: str) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as raised:
        settings_from_pot(text)
    return raised.value


@needs_shared
def test_the_file_of_the_article() -> None:
    config = settings_from_pot_file((SHARED / "data/mobilenet_v2_int8.json").read_bytes())
    assert config.settings == QuantizationSettings()
    assert [note.split(":")[0] for note in config.notes] == ["model", "engine"]


COMMENTED = """\
/* All kinds of
   comments */
{
    "model": {"model": "a.xml"}, // a path
    "compression": {             # the rest
        "target_device": "CPU",
        "algorithms": [
            {
                "name": "AccuracyAwareQuantization",
                "params": {
                    "preset": "mixed",
                    "stat_subset_size": 100,
                    "maximal_drop": 0.005, // half a point
                    "ignored": {"scope": ["a // b", "/* c */", "x,]", "#4"],},
                },
            },
        ],
    },
}
"""


def test_comments_and_trailing_commas_but_not_inside_strings() -> None:
    settings = settings_from_pot(COMMENTED).settings
    assert (settings.method, settings.preset, settings.subset_size) == ("accuracy-aware", "mixed", 100)
    assert settings.max_drop == 0.5
    assert settings.keep_float == ("a // b", "/[*] c [*]/", "x,]", "#4")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {}),
        ({"preset": "mixed"}, {"preset": "mixed"}),
        ({"preset": "accuracy"}, {"preset": "mixed"}),
        ({"preset": "symmetric"}, {"preset": "performance"}),
        ({"stat_subset_size": 1000}, {"subset_size": 1000}),
        ({"seed": 7, "shuffle_data": True}, {"seed": 7}),
        ({"weights": {"bits": 8, "mode": "symmetric", "granularity": "pertensor"}}, {"weight_granularity": "per-tensor"}),
        ({"weights": {"granularity": "perchannel", "level_low": -127, "level_high": 127}}, {}),
        ({"weights": {"bits": 7}}, {"weight_bits": 7}),
        ({"weights": {"bits": 8, "level_low": -64, "level_high": 63}}, {"weight_bits": 7}),
        ({"saturation_fix": "all"}, {"weight_bits": 7}),
        ({"saturation_fix": "no"}, {}),
        ({"activations": {"bits": 8, "mode": "asymmetric", "granularity": "pertensor"}}, {"activations": "asymmetric"}),
        ({"activations": {"mode": "symmetric"}}, {"activations": "symmetric"}),
        ({"bias_correction": False}, {"bias_correction": False}),
        ({"use_fast_bias": False}, {}),
        ({"ignored": {"scope": ["conv1", "block/add"]}}, {"keep_float": ("conv1", "block/add")}),
        ({"ignored": {"scope": ["conv[1]*"]}}, {"keep_float": ("conv[[]1][*]",)}),
        ({"ignored": {"operations": [{"type": "MatMul"}, {"type": "Add"}]}}, {"keep_float": ("MatMul", "Gemm", "Add")}),
        ({"ignored": {"operations": [{"type": "GroupConvolution"}, {"type": "Convolution"}]}}, {"keep_float": ("Conv",)}),
        ({"preset": None, "stat_subset_size": None, "weights": None}, {}),
    ],
)
def test_parameters_of_default(params: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read(params) == replace(QuantizationSettings(), **expected)


@pytest.mark.parametrize(
    ("params", "max_drop", "drop_type"),
    [
        ({}, 1.0, "absolute"),
        ({"maximal_drop": 0.01}, 1.0, "absolute"),
        ({"maximal_drop": 0.003, "drop_type": "relative"}, 0.3, "relative"),
        ({"maximal_drop": 0}, 0.0, "absolute"),
        ({"maximal_drop": 1}, 100.0, "absolute"),
        ({"base_algorithm": "DefaultQuantization", "drop_type": "absolute"}, 1.0, "absolute"),
    ],
)
def test_the_drop_is_a_fraction_in_pot(params: dict[str, Any], max_drop: float, drop_type: str) -> None:
    settings = read(params, aware=True)
    assert (settings.method, settings.max_drop, settings.drop_type) == ("accuracy-aware", max_drop, drop_type)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        ({"preset": "default"}, "averaged"),
        ({"preset": "quantile"}, "percentile"),
        ({"min": {"type": "min", "aggregator": "mean"}, "max": {"type": "abs_max", "aggregator": "mean"}}, "averaged"),
        ({"min": {"type": "min", "aggregator": "min"}, "max": {"type": "max", "aggregator": "max"}}, "minmax"),
        ({"min": {"aggregator": "min"}, "max": {"aggregator": "mean"}}, "averaged"),
        ({"max": {"type": "abs_quantile", "outlier_prob": 0.0001}}, "percentile"),
        ({"preset": "quantile", "min": {"type": "min"}, "max": {"type": "max"}}, "averaged"),
        ({"min": {"aggregator": "median"}, "max": {"aggregator": "hl_estimator"}}, "averaged"),
        ({"min": {"aggregator": "median"}, "max": {"aggregator": "median"}}, "median"),
        ({"max": {"type": "quantile", "outlier_prob": 0.001}}, "percentile:99.9"),
        ({"preset": "quantile", "max": {"outlier_prob": 0.0}}, "percentile:100"),
        ({}, "auto"),
    ],
)
def test_range_estimators(estimator: dict[str, Any], expected: str) -> None:
    assert read({"activations": {"range_estimator": estimator}}).range_estimator == expected
    assert read({"range_estimator": estimator}).range_estimator == expected
    if expected != "auto":
        get_range_estimator(expected)


def test_the_estimator_of_the_activations_wins() -> None:
    both = {"range_estimator": {"preset": "quantile"}, "activations": {"range_estimator": {"preset": "default"}}}
    assert read(both).range_estimator == "averaged"


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"use_layerwise_tuning": True}, "use_layerwise_tuning"),
        ({"stat_batch_size": 4}, "stat_batch_size"),
        ({"shuffle_data": False}, "shuffle_data"),
        ({"saturation_fix": "first_layer"}, "saturation_fix"),
        ({"preset": "accuracy"}, "preset"),
        ({"use_fast_bias": False}, "use_fast_bias"),
        ({"weights": {"mode": "asymmetric"}}, "weights.mode"),
        ({"weights": {"range_estimator": {"max": {"type": "quantile"}}}}, "weights.range_estimator"),
        ({"activations": {"granularity": "perchannel"}}, "activations.granularity"),
        ({"activations": {"level_low": 0}}, "activations.level_low"),
        ({"range_estimator": {"max": {"clipping_value": 6}}}, "range_estimator.max.clipping_value"),
        ({"range_estimator": {"max": {"aggregator": "median"}}}, "range_estimator.max.aggregator"),
        ({"range_estimator": {"preset": "quantile", "min": {"outlier_prob": 0.01}}}, "range_estimator.min.outlier_prob"),
        ({"range_estimator": {"preset": "quantile"}}, "range_estimator.preset"),
        ({"ignored": {"operations": [{"type": "Add", "attributes": {"a": 1}}]}}, "ignored.operations[0].attributes"),
        ({"stat_subset_size": None}, "stat_subset_size"),
    ],
)
def test_what_has_no_effect_is_named_with_its_place(params: dict[str, Any], place: str) -> None:
    assert [note.split(": ")[0] for note in notes(params)] == [f"{PARAMS}.{place}"]


def test_parameters_of_accuracy_aware_without_effect() -> None:
    params = {
        "ranking_subset_size": 300,
        "max_iter_num": 20,
        "use_prev_if_drop_increase": False,
        "metrics": [{"name": "accuracy"}],
    }
    assert {note.split(": ")[0] for note in notes(params, aware=True)} == {f"{PARAMS}.{name}" for name in params}
    assert refused(a_file(params)).code == "pot.unknown"  # of Default they are none, in POT as well


def test_other_devices_and_algorithms_are_named() -> None:
    assert notes(target_device="ANY", model_type="None")[0].startswith("compression.model_type")
    assert "GPU" in notes(target_device="GPU")[0]
    sparse = json.loads(a_file())
    sparse["compression"]["algorithms"].insert(0, {"name": "WeightSparsity", "params": {"sparsity_level": 0.5}})
    assert settings_from_pot(json.dumps(sparse)).notes[0].startswith("compression.algorithms[0].name: WeightSparsity")


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "pot.json", "line 1, column 1"),
        ('{\n  "a": tru\n}', "pot.json", "line 2, column 8"),
        ('{ // x\n  /* y\n  z */ "a": ,}', "pot.json", "line 3, column 14"),
        ('{"a": 1, "a": 2}', "pot.json", '"a"'),
        ('{"a": NaN}', "pot.json", "NaN"),
        ('{"a": 1e999}', "pot.json", "1e999"),
        ("[" * 40, "pot.json", "line 1, column 33"),
        ("[]", "pot.shape", ""),
        ("{}", "pot.shape", "compression"),
        ('{"compression": 3}', "pot.shape", "compression"),
        ('{"compression": {"algorithms": {}}}', "pot.shape", "compression.algorithms"),
        ('{"compression": {"algorithms": [1]}}', "pot.shape", "compression.algorithms[0]"),
        ('{"compression": {"algorithms": [{}]}}', "pot.shape", "compression.algorithms[0]"),
        ('{"compression": {"algorithms": []}}', "pot.algorithm", "compression.algorithms"),
        ('{"compression": {"algorithms": [{"name": "Magic"}]}}', "pot.algorithm", "compression.algorithms[0].name"),
        ('{"compression": {"algorithms": [{"name": "MinMaxQuantization"}]}}', "pot.algorithm", "compression.algorithms"),
        (a_file(target_device="TOASTER"), "pot.value", "compression.target_device"),
    ],
)
def test_what_is_wrong_with_the_file(text: str, code: str, where: str) -> None:
    error = refused(text)
    assert (error.code, error.where) == (code, where)
    assert error.hint


@pytest.mark.parametrize(
    ("params", "code", "place"),
    [
        ({"preset": "best"}, "pot.value", "preset"),
        ({"preset": ["mixed"]}, "pot.value", "preset"),
        ({"stat_subset_size": 0}, "pot.value", "stat_subset_size"),
        ({"stat_subset_size": 1.5}, "pot.value", "stat_subset_size"),
        ({"stat_subset_size": True}, "pot.value", "stat_subset_size"),
        ({"stat_subset_size": "300"}, "pot.value", "stat_subset_size"),
        ({"seed": -1}, "pot.value", "seed"),
        ({"weights": 8}, "pot.shape", "weights"),
        ({"weights": {"bits": 4}}, "pot.value", "weights.bits"),
        ({"weights": {"level_high": 100}}, "pot.value", "weights.level_high"),
        ({"weights": {"granularity": "per-channel"}}, "pot.value", "weights.granularity"),
        ({"activations": {"bits": 16}}, "pot.value", "activations.bits"),
        ({"activations": {"mode": "unsigned"}}, "pot.value", "activations.mode"),
        ({"range_estimator": {"preset": "mse"}}, "pot.value", "range_estimator.preset"),
        ({"range_estimator": {"max": {"type": "kl"}}}, "pot.value", "range_estimator.max.type"),
        (
            {"range_estimator": {"max": {"type": "quantile", "outlier_prob": 2}}},
            "pot.value",
            "range_estimator.max.outlier_prob",
        ),
        ({"use_fast_bias": "yes"}, "pot.value", "use_fast_bias"),
        ({"ignored": {"scope": "conv1"}}, "pot.shape", "ignored.scope"),
        ({"ignored": {"scope": ["a", 3]}}, "pot.shape", "ignored.scope[1]"),
        ({"ignored": {"scope": [" "]}}, "pot.value", "ignored.scope[0]"),
        ({"ignored": {"scope": ["\ud800"]}}, "pot.value", "ignored.scope[0]"),
        ({"ignored": {"skip_model": True}}, "pot.value", "ignored.skip_model"),
        ({"ignored": {"operations": [{}]}}, "pot.shape", "ignored.operations[0]"),
        ({"maximal_drop": 0.01}, "pot.unknown", "maximal_drop"),
        ({"stat_subset_sise": 3}, "pot.unknown", "stat_subset_sise"),
    ],
)
def test_what_is_wrong_with_a_parameter(params: dict[str, Any], code: str, place: str) -> None:
    error = refused(a_file(params))
    assert (error.code, error.where) == (code, f"{PARAMS}.{place}")


def test_a_drop_in_percent_is_refused_and_explained() -> None:
    error = refused(a_file({"maximal_drop": 2}, aware=True))
    assert (error.code, error.where) == ("pot.value", f"{PARAMS}.maximal_drop")
    assert "0.01" in error.hint


def test_a_misspelt_parameter_is_guessed() -> None:
    assert refused(a_file({"stat_subset_sise": 3})).hint == "Did you mean stat_subset_size?"


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(WorkbenchError) as raised:
        settings_from_pot_file(b'{"a": "\xff"}')
    assert (raised.value.code, raised.value.where) == ("pot.json", "byte 7")
    assert settings_from_pot_file(b"\xef\xbb\xbf" + a_file().encode()).settings == QuantizationSettings()


@pytest.mark.parametrize(
    "text",
    ['"\\' * (MAX_CHARS // 2), "/*" * (MAX_CHARS // 2), ",\n" * (MAX_CHARS // 2), "[" * MAX_CHARS, "{" + "1" * (MAX_CHARS - 1)],
)
def test_long_hostile_texts_are_refused_in_linear_time(text: str) -> None:
    begun = time.process_time()
    assert refused(text).code == "pot.json"
    assert time.process_time() - begun < 5  # quadratic ones would take minutes
    assert refused(text + "  ").code == "pot.too_large"


def test_every_setting_of_a_file_can_be_changed_in_the_form() -> None:
    """What a POT file sets is a field of the settings, so options and forms can override it."""
    changed = read({"seed": 3, "ignored": {"scope": ["a"]}, "weights": {"bits": 7}}, aware=True)
    usual = QuantizationSettings()
    assert {f.name for f in fields(usual) if getattr(usual, f.name) != getattr(changed, f.name)} == {
        "method", "seed", "keep_float", "weight_bits",
    }  # fmt: skip
