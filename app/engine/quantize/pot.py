"""A configuration file of OpenVINO's Post-training Optimization Tool (POT) as settings of this quantizer.

Source: POT 2022.3, `configs/config.py` (which parameters there are, that unknown ones are refused, aliases of presets) and the
documentation of DefaultQuantization and AccuracyAwareQuantization. What differs on purpose:

- `maximal_drop` is a fraction there and per cent here.
- `stat_subset_size` missing means the whole dataset there, 300 samples here.
- Presets keep their names; which ranges are symmetric is decided per tensor unless `activations.mode` says it.
- What has no effect here is not refused but named in the notes, with its place in the file.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from typing import Any

from app.engine.quantize.pot_parameters import (
    ACCURACY_AWARE,
    DEFAULT,
    DEVICES,
    NO_EFFECT_ACCURACY_AWARE,
    NO_EFFECT_COMPRESSION,
    NO_EFFECT_DEFAULT,
    NO_EFFECT_FILE,
    OTHER_ALGORITHMS,
    PRESETS,
    TYPES,
    USED,
    USED_ACCURACY_AWARE,
)
from app.engine.quantize.pot_ranges import activation_mode, range_estimator, weight_grid
from app.engine.quantize.pot_section import Section
from app.engine.quantize.pot_text import read_bytes, read_text, shown
from app.engine.quantize.recipe import LARGEST_SEED, DropType, Preset, QuantizationSettings
from app.errors import WorkbenchError


@dataclass(frozen=True)
class PotConfig:
    settings: QuantizationSettings
    notes: tuple[str, ...]
    """What the file asks for and has no effect here, or another one; each with its place."""


def settings_from_pot(text: str) -> PotConfig:
    """
    Raises:
        WorkbenchError: `pot.too_large`, `pot.json`, `pot.shape`, `pot.unknown`, `pot.value`, `pot.algorithm`, with the place.
    """
    return _config(read_text(text))


def settings_from_pot_file(data: bytes) -> PotConfig:
    """As `settings_from_pot`, of a file's bytes."""
    return _config(read_bytes(data))


def _config(data: dict[str, Any]) -> PotConfig:
    notes: list[str] = []
    file = Section(data, "", notes)
    file.no_effect(NO_EFFECT_FILE)
    if "compression" not in file:
        message = "The POT file has no section compression."
        raise WorkbenchError("pot.shape", message, where="compression", hint="Choose the file that `pot -c` takes.")
    compression = file.section("compression")
    _read_compression(compression)
    algorithm = _algorithm(compression)
    params = algorithm.section("params")
    settings = _default(params)
    aware = algorithm.text("name") == ACCURACY_AWARE
    known = (*USED, *NO_EFFECT_DEFAULT, *((*USED_ACCURACY_AWARE, *NO_EFFECT_ACCURACY_AWARE) if aware else ()))
    params.check_known(known)
    params.no_effect(NO_EFFECT_DEFAULT)
    if aware:
        settings = _accuracy_aware(params, settings)
    return PotConfig(settings, tuple(notes))


def _read_compression(compression: Section) -> None:
    device = compression.one_of("target_device", DEVICES, "ANY")
    if device not in ("ANY", "CPU"):
        compression.note("target_device", f"{device} has no effect here, the file is made for the CPU that measures it.")
    compression.no_effect(NO_EFFECT_COMPRESSION)


def _algorithm(compression: Section) -> Section:
    """The one that quantizes; others are named in the notes."""
    chosen: list[Section] = []
    for algorithm in compression.sections("algorithms"):
        name = algorithm.text("name")
        if name in (DEFAULT, ACCURACY_AWARE):
            chosen.append(algorithm)
        elif name in OTHER_ALGORITHMS:
            algorithm.note("name", f"{name} has no effect here, it is part of Default or not offered.")
        else:
            raise _wrong_algorithms(algorithm.place("name"), f"POT has no algorithm {shown(name)}")
    if len(chosen) != 1:
        found = f"{DEFAULT} or {ACCURACY_AWARE} is needed once, but the file has {len(chosen)} of them"
        raise _wrong_algorithms(compression.place("algorithms"), found)
    return chosen[0]


def _wrong_algorithms(where: str, found: str) -> WorkbenchError:
    return WorkbenchError("pot.algorithm", f"{found}.", where=where, hint=f"Give {DEFAULT} or {ACCURACY_AWARE}.")


def _default(params: Section) -> QuantizationSettings:
    weights, activations = params.section("weights"), params.section("activations")
    granularity, weight_bits = weight_grid(weights)
    usual = QuantizationSettings()
    if "stat_subset_size" not in params:
        params.note(
            "stat_subset_size", f"is not given; POT takes the whole dataset then, here {usual.subset_size} samples are taken."
        )
    return replace(
        usual,
        preset=_preset(params),
        subset_size=params.whole("stat_subset_size", 1, 10**9, usual.subset_size),
        seed=params.whole("seed", 0, LARGEST_SEED, usual.seed),
        activations=activation_mode(activations),
        range_estimator=range_estimator(params, activations),
        weight_granularity=granularity,
        weight_bits=7 if _saturation_fix(params) else weight_bits,
        bias_correction=_bias_correction(params),
        keep_float=_ignored(params.section("ignored")),
    )


def _preset(params: Section) -> Preset:
    given = params.one_of("preset", tuple(PRESETS), "performance")
    preset = PRESETS[given]
    if given != preset:
        params.note("preset", f"{given} is taken as {preset}, as POT does for CPUs.")
    return preset


def _saturation_fix(params: Section) -> bool:
    """Whether the weights of all layers get 7 bits."""
    fix = params.one_of("saturation_fix", ("no", "first_layer", "all"), "no")
    if fix == "first_layer":
        params.note("saturation_fix", "first_layer has no effect here, weights have 7 bits in all layers (all) or in none.")
    return fix == "all"


def _bias_correction(params: Section) -> bool:
    if "use_fast_bias" in params and not params.flag("use_fast_bias", True):
        params.note(
            "use_fast_bias", "has no effect here, biases are corrected against the inputs quantized already either way."
        )
    return params.flag("bias_correction", True)


def _accuracy_aware(params: Section, settings: QuantizationSettings) -> QuantizationSettings:
    params.no_effect(NO_EFFECT_ACCURACY_AWARE)
    params.one_of("base_algorithm", (DEFAULT,), DEFAULT)
    hint = "It is a fraction: 0.01 is one point of accuracy (or one per cent of it, with drop_type relative)."
    drop = params.number("maximal_drop", 0, 1, 0.01, hint)
    drop_type: DropType = (
        "relative" if params.one_of("drop_type", ("absolute", "relative"), "absolute") == "relative" else "absolute"
    )
    return replace(settings, method="accuracy-aware", max_drop=round(100 * drop, 12), drop_type=drop_type)


def _ignored(ignored: Section) -> tuple[str, ...]:
    """Names as patterns that match themselves only, then operator types of ONNX."""
    ignored.check_known(("scope", "operations", "skip_model"))
    if ignored.flag("skip_model", False):
        ignored.refuse("skip_model", "must be false", "There is one model, and it is to be quantized.")
    kept = [glob.escape(name) for name in ignored.texts("scope")]
    for operation in ignored.sections("operations"):
        operation.check_known(("type", "attributes"))
        kind = operation.text("type")
        kept += TYPES.get(kind, (kind,))
        if operation.section("attributes").data:
            operation.note("attributes", f"have no effect here, every {kind} stays in float.")
    return tuple(dict.fromkeys(kept))
