"""Statistics of many tensors as one npz: small arrays side by side, one row or one run of values per tensor.

Uncompressed: the reservoirs are most of it, and noise does not shrink.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from app.engine.calibration.channels import ChannelStatistics
from app.engine.calibration.extremes import SampleExtremes
from app.engine.calibration.histogram import Histogram
from app.engine.calibration.reservoir import Reservoir
from app.engine.calibration.statistics import TensorStatistics

SCALARS = ("minimum", "maximum", "sum_minimum", "sum_maximum", "samples")
PARTS: dict[str, type[Any]] = {
    "histogram": Histogram,
    "channels": ChannelStatistics,
    "reservoir": Reservoir,
    "extremes": SampleExtremes,
}


def save_statistics(path: Path, statistics: Mapping[str, TensorStatistics]) -> None:
    """names, (T, 5) scalars, `part.has` (T,); for each field of a part `part.field`, of arrays `part.field.sizes`, too."""
    values = list(statistics.values())
    arrays: dict[str, np.ndarray] = {
        "names": np.array(list(statistics)),
        "scalars": np.array([[getattr(entry, name) for name in SCALARS] for entry in values]),
    }
    for part, kind in PARTS.items():
        present = [getattr(entry, part) for entry in values if getattr(entry, part) is not None]
        arrays[f"{part}.has"] = np.array([getattr(entry, part) is not None for entry in values], bool)
        for field in fields(kind) if present else ():
            column = [np.asarray(getattr(one, field.name)) for one in present]
            if column[0].ndim:
                arrays[f"{part}.{field.name}.sizes"] = np.array([len(one) for one in column])
            arrays[f"{part}.{field.name}"] = np.concatenate([one.reshape(-1) for one in column])
    np.savez(path, allow_pickle=False, **arrays)


def load_statistics(path: Path) -> dict[str, TensorStatistics]:
    with np.load(path, allow_pickle=False) as data:
        names = [str(name) for name in data["names"]]
        parts = {part: _load_part(data, part, kind) for part, kind in PARTS.items()}
        scalars = data["scalars"].tolist()
    return {
        name: TensorStatistics(row[0], row[1], row[2], row[3], int(row[4]), **{part: parts[part][position] for part in PARTS})
        for position, (name, row) in enumerate(zip(names, scalars, strict=True))
    }


def _load_part(data: Mapping[str, np.ndarray], part: str, kind: type[Any]) -> Sequence[Any]:
    """One entry per tensor: the part, or None where the tensor has none."""
    has = data[f"{part}.has"]
    columns = []
    for field in fields(kind) if has.any() else ():
        flat = data[f"{part}.{field.name}"]
        sizes = f"{part}.{field.name}.sizes"
        columns.append(np.split(flat, np.cumsum(data[sizes])[:-1]) if sizes in data else flat.tolist())
    made = iter([kind(*row) for row in zip(*columns, strict=True)])
    return [next(made) if present else None for present in has]
