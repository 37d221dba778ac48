"""The optimize page's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from app.engine.quantize.recipe import (
    LARGEST_SEED,
    Activations,
    DropType,
    EffortLevel,
    Granularity,
    Method,
    Precision,
    Preset,
    QuantizationSettings,
)
from app.errors import WorkbenchError
from app.web.forms.fields import Mistake, WrongValueError, number, one_of, text_of, whole

LABELS = {
    "method": "Method",
    "max_drop": "Tolerated drop",
    "drop_type": "Kind of drop",
    "preset": "Preset",
    "subset_size": "Calibration samples",
    "seed": "Seed",
    "precision": "Precision",
    "effort": "Effort",
    "weight_granularity": "Scales of the weights",
    "weight_bits": "Bits of the weights",
    "activations": "Ranges of activations",
    "range_estimator": "Range estimator",
    "rounding": "Round weights",
    "bias_correction": "Correct biases",
    "alignment": "Align channels",
    "speed_aware": "Mind the speed",
    "keep_float": "Keep in float",
}
SWITCHES = ("rounding", "bias_correction", "alignment", "speed_aware")
"""Checkboxes: a hidden "off" stands before each, so that one that is not checked is told from one that is missing."""
OF_SETTINGS = ("max_drop", "subset_size", "seed", "range_estimator", "keep_float")
"""Fields whose mistakes have the code `settings.<field>`, as in the API; a wrong choice is `request.invalid`."""
LARGEST_SUBSET = 10**9
"""More than the dataset has is not a mistake: it is clamped, and the plan says so."""
USUAL = QuantizationSettings()


@dataclass(frozen=True)
class OptimizeForm:
    """Every value as text, as it was typed."""

    method: str = "accuracy-aware"
    max_drop: str = "1.0"
    drop_type: str = USUAL.drop_type
    preset: str = USUAL.preset
    subset_size: str = str(USUAL.subset_size)
    seed: str = str(USUAL.seed)
    precision: str = USUAL.precision
    effort: str = USUAL.effort
    weight_granularity: str = USUAL.weight_granularity
    weight_bits: str = str(USUAL.weight_bits)
    activations: str = USUAL.activations
    range_estimator: str = USUAL.range_estimator
    rounding: str = "on"
    bias_correction: str = "on"
    alignment: str = "on"
    speed_aware: str = "on"
    keep_float: str = ""
    """One pattern a line."""

    @staticmethod
    def of(data: Mapping[str, object], *, max_drop: str = "1.0") -> OptimizeForm:
        """From query or form data; what is missing gets the usual value, the drop the project's limit."""
        usual = OptimizeForm(max_drop=max_drop)
        return OptimizeForm(**{f.name: text_of(data, f.name, getattr(usual, f.name)) for f in fields(OptimizeForm)})

    @staticmethod
    def show(settings: QuantizationSettings) -> OptimizeForm:
        """The form that reads back as these settings."""
        values = {name: str(getattr(settings, name)) for name in LABELS}
        drop = settings.max_drop
        return OptimizeForm(
            **{
                **values,
                "max_drop": f"{drop:.1f}" if round(drop, 1) == drop else repr(drop),
                "keep_float": "\n".join(settings.keep_float),
                **{name: "on" if getattr(settings, name) else "off" for name in SWITCHES},
            }
        )

    def query(self) -> dict[str, str]:
        """What a link must carry so that the form opens like this."""
        usual = asdict(OptimizeForm())
        always = ("method", "max_drop")
        return {name: value for name, value in asdict(self).items() if name in always or value != usual[name]}

    def read(self) -> tuple[QuantizationSettings, tuple[Mistake, ...]]:
        """The settings and what is wrong; a wrong value leaves the usual one in the settings."""
        mistakes: list[Mistake] = []

        def take(name: str, parse: Callable[[str], Any]) -> Any:
            try:
                return parse(getattr(self, name))
            except WrongValueError as error:
                code = f"settings.{name}" if name in OF_SETTINGS else "request.invalid"
                mistakes.append(Mistake(name, LABELS[name], str(error), code))
                return getattr(USUAL, name)

        def choose(name: str, kind: Any) -> Any:
            return take(name, lambda text: one_of(text, get_args(kind)))

        method = choose("method", Method)
        aware = method == "accuracy-aware"
        settings = QuantizationSettings(
            method=method,
            # Default has no limit: its hidden field is not read, so it cannot be wrong
            max_drop=take("max_drop", lambda text: number(text, 0, 100, example="1.0")) if aware else USUAL.max_drop,
            drop_type=choose("drop_type", DropType),
            preset=choose("preset", Preset),
            subset_size=take("subset_size", lambda text: whole(text, 1, LARGEST_SUBSET, example="300")),
            seed=take("seed", lambda text: whole(text, 0, LARGEST_SEED, example="0")),
            precision=choose("precision", Precision),
            effort=choose("effort", EffortLevel),
            weight_granularity=choose("weight_granularity", Granularity),
            weight_bits=take("weight_bits", lambda text: int(one_of(text, ("8", "7")))),
            activations=choose("activations", Activations),
            range_estimator=take("range_estimator", lambda text: _allowed(range_estimator=text)),
            keep_float=take("keep_float", lambda text: _allowed(keep_float=_lines(text))),
            **{name: take(name, lambda text: one_of(text, ("on", "off")) == "on") for name in SWITCHES},
        )
        return settings, tuple(mistakes)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _allowed(**field: Any) -> Any:
    """The value of the one field when the settings take it. Raises WrongValueError."""
    (value,) = field.values()
    try:
        QuantizationSettings(**field)
    except WorkbenchError as error:
        raise WrongValueError(f"{error.message} {error.hint}") from error
    return value
