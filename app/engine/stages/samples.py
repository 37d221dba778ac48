"""Images of an inspected dataset, decoded one at a time from its pack or its folder. Safe to use from several threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from app.engine.datasets.description import DatasetIndex, Sample
from app.engine.datasets.images import UnreadableImageError, decode_image
from app.engine.records import read_json
from app.errors import WorkbenchError

NO_LABEL = -1


class Samples:
    """Random access to the images an index names.

    Args:
        index_file: `index.json` of the inspection.
        pack: The file the encoded images lie in, or None for an index of a local folder.
    """

    def __init__(self, index_file: Path, pack: Path | None) -> None:
        self.index = read_json(DatasetIndex, index_file)
        self._pack = None if pack is None else os.open(pack, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pack is not None:
            os.close(self._pack)

    def __len__(self) -> int:
        return len(self.index.samples)

    def __getitem__(self, number: int) -> Sample:
        return self.index.samples[number]

    def decode(self, number: int) -> Image.Image:
        """The image of sample `number`, fully loaded, 8 bits per channel, in the mode of its file otherwise.

        Raises:
            WorkbenchError: `sample.unreadable`.
        """
        sample = self[number]
        try:
            return decode_image(self._read(sample))
        except (UnreadableImageError, OSError, EOFError) as error:
            reason = str(error) if isinstance(error, UnreadableImageError) else type(error).__name__
            raise WorkbenchError(
                "sample.unreadable",
                f"This image could be read when the dataset was inspected, but not now: {reason}.",
                where=sample.name,
                hint="Upload the dataset again.",
            ) from error

    def _read(self, sample: Sample) -> bytes:
        if sample.path or self._pack is None:
            return (Path(self.index.root) / sample.path).read_bytes()
        data = os.pread(self._pack, sample.size, sample.offset)  # has its own position: no lock between threads
        if len(data) != sample.size:
            raise EOFError(f"the pack ends inside {sample.name}")
        return data


def spread(n: int, wanted: int) -> list[int]:
    """At most `wanted` of the numbers 0..n-1, evenly spread: a listing sorted by class gives every class its share."""
    wanted = min(n, wanted)
    return [position * n // wanted for position in range(wanted)]


def labels_of(samples: Samples, numbers: Sequence[int]) -> np.ndarray:
    """(len(numbers),) int64, NO_LABEL where there is none."""
    labels = (samples[number].label for number in numbers)
    return np.array([NO_LABEL if label is None else label for label in labels], np.int64)
