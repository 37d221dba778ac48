"""The sections `weights`, `activations` and `range_estimator` of a POT file, in the terms of this quantizer.

POT estimates each end of a range by a *type* (min, max, abs_max, quantile, abs_quantile) per sample and an *aggregator* over
samples; `preset` gives both: `default` the averaged extremes, `quantile` those without the outermost 1e-4. Here both ends of
all tensors are estimated by one method:

| POT | here |
| --- | --- |
| nothing given | auto |
| type quantile or abs_quantile at either end | percentile, with outlier_prob 1e-3 percentile:99.9 |
| aggregator min of the minimum and max of the maximum | minmax |
| aggregator median or median_no_outliers at both ends | median |
| any other aggregator | averaged |
"""

from __future__ import annotations

from typing import Literal, get_args

from app.engine.quantize.pot_section import Section
from app.engine.quantize.recipe import Activations, Granularity

GRID_KEYS = ("bits", "mode", "granularity", "level_low", "level_high", "range_estimator")
END_KEYS = ("type", "aggregator", "outlier_prob", "granularity", "clipping_value")
TYPES = ("min", "max", "abs_max", "quantile", "abs_quantile")
AGGREGATORS = ("mean", "max", "min", "median", "mean_no_outliers", "median_no_outliers", "hl_estimator")
MODES = ("symmetric", "asymmetric")
GRANULARITIES: dict[str, Granularity] = {"perchannel": "per-channel", "pertensor": "per-tensor"}
PRESET_TYPES = {"default": ("min", "max"), "quantile": ("quantile", "quantile")}
"""Types of both ends; the aggregator of both presets is mean."""
USUAL_OUTSIDE, MOST_OUTSIDE = 1e-4, 0.49
"""Share of the values outside at each end; the first is that of the estimator percentile."""
AGGREGATED = {"averaged": "averaged", "median": "the medians"}
NO_EFFECT_END = {
    "clipping_value": "ranges follow from the samples alone",
    "granularity": "activations have one scale per tensor",
}
LEVELS: dict[tuple[int, int], Literal[7, 8]] = {(-128, 127): 8, (-127, 127): 8, (-64, 63): 7, (-63, 63): 7}


def weight_grid(weights: Section) -> tuple[Granularity, Literal[7, 8]]:
    weights.check_known(GRID_KEYS)
    if weights.one_of("mode", MODES, "symmetric") == "asymmetric":
        weights.note("mode", "has no effect here, weights are always symmetric: that is what integer kernels take.")
    if weights.section("range_estimator").data:
        weights.note("range_estimator", "has no effect here, weights are rounded within the largest magnitude of each scale.")
    return GRANULARITIES[weights.one_of("granularity", tuple(GRANULARITIES), "perchannel")], _weight_bits(weights)


def _weight_bits(weights: Section) -> Literal[7, 8]:
    bits = weights.whole("bits", 1, 32, 8)
    if bits not in (7, 8):
        weights.refuse("bits", "must be 8 or 7", "Fewer bits have no integer kernels on CPUs.")
    if "level_low" not in weights and "level_high" not in weights:
        return 7 if bits == 7 else 8
    low, high = (weights.whole(key, -255, 255, usual) for key, usual in (("level_low", -127), ("level_high", 127)))
    if (low, high) not in LEVELS:
        key = "level_low" if "level_low" in weights else "level_high"
        weights.refuse(key, "and level_high must span -128..127, -127..127, -64..63 or -63..63")
    return LEVELS[low, high]


def activation_mode(activations: Section) -> Activations:
    activations.check_known(GRID_KEYS)
    if activations.whole("bits", 1, 32, 8) != 8:
        activations.refuse("bits", "must be 8", "Integer kernels take activations of 8 bits.")
    if activations.one_of("granularity", tuple(GRANULARITIES), "pertensor") == "perchannel":
        activations.note("granularity", "has no effect here, activations have one scale per tensor: that is what kernels take.")
    activations.no_effect(dict.fromkeys(("level_low", "level_high"), "activations use all 256 levels"))
    if "mode" not in activations:
        return "auto"
    mode = activations.one_of("mode", MODES, "")
    return get_args(Activations)[get_args(Activations).index(mode)]  # type: ignore[no-any-return]  # a Literal of itself


def range_estimator(params: Section, activations: Section) -> str:
    """The estimator of the activations: their own, else the one of all (as POT takes it)."""
    params.section("range_estimator")  # also when it is not used, it must be an object
    estimator = (activations if "range_estimator" in activations else params).section("range_estimator")
    if not estimator.data:
        return "auto"
    estimator.check_known(("preset", "min", "max"))
    preset = estimator.one_of("preset", tuple(PRESET_TYPES), "default")
    ends = (estimator.section("min"), estimator.section("max"))
    types = tuple(_type(end, usual) for end, usual in zip(ends, PRESET_TYPES[preset], strict=True))
    aggregators = tuple(end.one_of("aggregator", AGGREGATORS, "mean") for end in ends)
    if any("quantile" in text for text in types):
        return _percentile(estimator, ends, types)
    if aggregators == ("min", "max"):
        return "minmax"
    taken = "median" if all(aggregator.startswith("median") for aggregator in aggregators) else "averaged"
    for end, aggregator in zip(ends, aggregators, strict=True):
        if aggregator != {"averaged": "mean"}.get(taken, taken):
            end.note(
                "aggregator",
                f"{aggregator} is not offered like this, minimum and maximum of the samples are {AGGREGATED[taken]}.",
            )
    return taken


def _type(end: Section, usual: str) -> str:
    end.check_known(END_KEYS)
    end.no_effect(NO_EFFECT_END)
    return end.one_of("type", TYPES, usual)


def _percentile(estimator: Section, ends: tuple[Section, Section], types: tuple[str, ...]) -> str:
    """`percentile`, or `percentile:99.9` for an outlier_prob of its own; what differs from POT goes into the notes."""
    outside = tuple(end.number("outlier_prob", 0, MOST_OUTSIDE, USUAL_OUTSIDE) for end in ends)
    share = outside[1] if "quantile" in types[1] else outside[0]
    for end, text, own in zip(ends, types, outside, strict=True):
        if "quantile" not in text:
            end.note("type", f"{text} at one end only is not offered, both ends are percentiles.")
        elif own != share:
            end.note("outlier_prob", f"has no effect here, {share:g} is left out at both ends.")
        if "aggregator" in end:
            end.note("aggregator", "has no effect here, the percentile is that of all samples together.")
    if not any(end.data for end in ends):
        estimator.note("preset", "here the percentile is that of all samples together, not averaged over them.")
    return "percentile" if share == USUAL_OUTSIDE else f"percentile:{100 * (1 - share):.10g}"
