"""The optimize page's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from app.engine.quantize.recipe import DropType, Method, Preset, QuantizationSettings
from app.web.forms.fields import Mistake, WrongValueError, number, one_of, text_of, whole

LABELS = {
    "method": "Method",
    "max_drop": "Tolerated drop",
    "drop_type": "Kind of drop",
    "preset": "Preset",
    "subset_size": "Calibration samples",
    "seed": "Seed",
    "range_estimator": "Range estimator",
}
RANGE_ESTIMATORS = ("minmax", "averaged", "median", "percentile", "mse", "entropy")
LARGEST_SUBSET = 10**9
"""More than the dataset has is not a mistake: it is clamped, and the plan says so."""
LARGEST_SEED = 2**32 - 1
"""What numpy's generators take."""


@dataclass(frozen=True)
class OptimizeForm:
    """Every value as text, as it was typed."""

    method: str = "accuracy-aware"
    max_drop: str = "1.0"
    drop_type: str = "absolute"
    preset: str = "performance"
    subset_size: str = "300"
    seed: str = "0"
    range_estimator: str = "minmax"

    @staticmethod
    def of(data: Mapping[str, object], *, max_drop: str = "1.0") -> OptimizeForm:
        """From query or form data; what is missing gets the usual value, the drop the project's limit."""
        usual = OptimizeForm(max_drop=max_drop)
        return OptimizeForm(**{f.name: text_of(data, f.name, getattr(usual, f.name)) for f in fields(OptimizeForm)})

    def read(self) -> tuple[QuantizationSettings, tuple[Mistake, ...]]:
        """The settings and what is wrong; a wrong value leaves the usual one in the settings."""
        mistakes: list[Mistake] = []

        def take(name: str, parse: Callable[[str], Any]) -> Any:
            try:
                return parse(getattr(self, name))
            except WrongValueError as error:
                mistakes.append(Mistake(name, LABELS[name], str(error)))
                return getattr(QuantizationSettings(), name)

        method = take("method", lambda text: one_of(text, get_args(Method)))
        aware = method == "accuracy-aware"
        settings = QuantizationSettings(
            method=method,
            # Default has no limit: its hidden field is not read, so it cannot be wrong
            max_drop=take("max_drop", lambda text: number(text, 0, 100, example="1.0")) if aware else 1.0,
            drop_type=take("drop_type", lambda text: one_of(text, get_args(DropType))),
            preset=take("preset", lambda text: one_of(text, get_args(Preset))),
            subset_size=take("subset_size", lambda text: whole(text, 1, LARGEST_SUBSET, example="300")),
            seed=take("seed", lambda text: whole(text, 0, LARGEST_SEED, example="0")),
            range_estimator=take("range_estimator", lambda text: one_of(text, RANGE_ESTIMATORS)),
        )
        return settings, tuple(mistakes)
