"""Options of `optimize` that become QuantizationSettings, by hand or out of a POT file.

An option that is not used is None, so that it does not override the file; the usual value is told by the help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.engine.calibration.range_estimators import RANGE_ESTIMATORS
from app.engine.quantize.pot import settings_from_pot_file
from app.engine.quantize.pot_text import MAX_CHARS
from app.engine.quantize.recipe import (
    AUTO_ESTIMATOR,
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
from app.services.local import existing

USUAL = QuantizationSettings()
ESTIMATORS = ", ".join((AUTO_ESTIMATOR, *RANGE_ESTIMATORS))


def _usual(name: str) -> str:
    return f"[default: {getattr(USUAL, name)}]"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="POT.json", help="Settings from a POT configuration file; options given here override it."
    ),
]
MethodOption = Annotated[Method | None, typer.Option(help=f"Quantize all, or keep a tolerated drop.  {_usual('method')}")]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        help="int8: weights and activations; int8-dynamic: activations while it runs, for models of matrix products; "
        f"float16: smaller, and faster where the CPU has kernels.  {_usual('precision')}"
    ),
]
MaxDropOption = Annotated[
    float | None, typer.Option(help=f"Tolerated drop of top-1 in percent, for accuracy-aware.  {_usual('max_drop')}")
]
DropTypeOption = Annotated[
    DropType | None, typer.Option(help=f"Points of top-1, or per cent of the FP32 top-1.  {_usual('drop_type')}")
]
PresetOption = Annotated[
    Preset | None,
    typer.Option(
        help="performance: what the runtime's integer kernels run fastest; mixed: noisy groups stay in float even where that "
        f"costs time.  {_usual('preset')}"
    ),
]
SubsetOption = Annotated[int | None, typer.Option(help=f"Calibration samples.  {_usual('subset_size')}")]
SeedOption = Annotated[int | None, typer.Option(help=f"Of the choice of calibration samples.  {_usual('seed')}")]
GranularityOption = Annotated[
    Granularity | None,
    typer.Option(
        "--weight-granularity", help=f"One scale per output channel, or one per tensor.  {_usual('weight_granularity')}"
    ),
]
ActivationsOption = Annotated[
    Activations | None,
    typer.Option(help=f"Ranges of activations: symmetric around 0, as observed, or by tensor.  {_usual('activations')}"),
]
EstimatorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"{ESTIMATORS}, or percentile:99.9.  {_usual('range_estimator')}"),
]
KeepFloatOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Node, pattern (block1/*) or operator type that stays in float; may be repeated."),
]
WeightBitsOption = Annotated[
    Literal["7", "8"] | None,
    typer.Option(help=f"7 for CPUs without VNNI, where products of 8 bits saturate.  {_usual('weight_bits')}"),
]
EffortOption = Annotated[EffortLevel | None, typer.Option(help=f"fast: ranges and bias correction alone.  {_usual('effort')}")]
NoRounding = Annotated[bool, typer.Option("--no-rounding", help="Round weights to the nearest, not by their input's moments.")]
NoBiasCorrection = Annotated[bool, typer.Option("--no-bias-correction", help="Leave biases as they are.")]
NoAlignment = Annotated[bool, typer.Option("--no-alignment", help="Do not scale channels of neighbouring layers.")]
NoSpeedAware = Annotated[bool, typer.Option("--no-speed-aware", help="INT8 also where it is slower on this CPU.")]


def choose_settings(config: Path | None, given: Mapping[str, Any]) -> tuple[QuantizationSettings, tuple[str, ...]]:
    """The settings, and what the file asks for in vain.

    Args:
        config: A POT file.
        given: Field -> value of its option; None where it was not used.

    Raises:
        WorkbenchError: `file.missing`, `pot.…` with the file as part of `where`, `settings.…`.
    """
    start, notes = (USUAL, ()) if config is None else _read(config)
    return replace(start, **{name: value for name, value in given.items() if value is not None}), notes


def _read(path: Path) -> tuple[QuantizationSettings, tuple[str, ...]]:
    try:
        with existing(path).open("rb") as file:
            config = settings_from_pot_file(file.read(MAX_CHARS + 1))
    except OSError as error:
        message = f"The POT file cannot be read: {error.strerror}."
        raise WorkbenchError("pot.json", message, where=str(path), hint="Give the path of a file.") from error
    except WorkbenchError as error:
        if not error.code.startswith("pot."):
            raise
        where = f"{path}: {error.where}" if error.where else str(path)
        raise WorkbenchError(error.code, error.message, where=where, hint=error.hint) from error
    return config.settings, config.notes
