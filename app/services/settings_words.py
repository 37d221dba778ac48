"""Settings of an optimization in words: only what differs from the usual. Pure."""

from __future__ import annotations

from collections.abc import Callable

from app.engine.quantize.recipe import QuantizationSettings
from app.jobs.commits import method_and_name

SHOWN_PATTERNS = 2
MAX_PATTERN_CHARS = 30

Words = Callable[[QuantizationSettings], str]
DIFFERENCES: dict[str, Words] = {
    "preset": lambda s: s.preset,
    "activations": lambda s: f"{s.activations} activations",
    "weight_granularity": lambda s: f"{s.weight_granularity} weights",
    "weight_bits": lambda s: f"{s.weight_bits}-bit weights",
    "range_estimator": lambda s: f"{s.range_estimator} ranges",
    "effort": lambda s: f"effort {s.effort}",
    "rounding": lambda _: "no weight rounding",
    "bias_correction": lambda _: "no bias correction",
    "alignment": lambda _: "no channel alignment",
    "speed_aware": lambda _: "not speed-aware",
    "keep_float": lambda s: f"{_patterns(s.keep_float)} kept in float",
    "seed": lambda s: f"seed {s.seed}",
}
"""Field -> its words when it is not the usual value. Method, precision, limit and samples are said elsewhere."""


def differences(settings: QuantizationSettings) -> tuple[str, ...]:
    """`mixed`, `per-tensor weights`, …; empty when everything is as usual."""
    usual = QuantizationSettings()
    return tuple(say(settings) for name, say in DIFFERENCES.items() if getattr(settings, name) != getattr(usual, name))


def kind_words(settings: QuantizationSettings) -> str:
    """`INT8 Default`, `AccuracyAware`, `INT8 dynamic`, `FP16`."""
    return method_and_name(settings)[1].removeprefix("INT8 " if settings.method == "accuracy-aware" else "")


def with_differences(text: str, settings: QuantizationSettings) -> str:
    """`INT8 Default · mixed · per-tensor weights`."""
    return " · ".join((text, *differences(settings)))


def _patterns(patterns: tuple[str, ...]) -> str:
    if len(patterns) > SHOWN_PATTERNS:
        return f"{len(patterns)} patterns"
    return ", ".join(text if len(text) <= MAX_PATTERN_CHARS else f"{text[: MAX_PATTERN_CHARS - 1]}…" for text in patterns)
