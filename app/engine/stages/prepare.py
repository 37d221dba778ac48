"""Decode, resize and crop every sample once: 8-bit pixels and labels as arrays on disk for all later stages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.engine.preprocessing.pipeline import Preprocessing, geometry
from app.engine.preprocessing.validation import validate
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.pixel_file import PixelFile
from app.engine.stages.samples import Samples, labels_of, spread
from app.errors import WorkbenchError

CHUNK = 16
"""Samples per task: enough that the pool's bookkeeping does not count, few enough that progress moves."""


@dataclass(frozen=True)
class Spec:
    index: Path
    pack: Path | None
    preprocessing: Preprocessing
    samples: int = 0
    """At most this many, spread evenly over the dataset; 0: all."""


@dataclass(frozen=True)
class Result:
    n: int
    pixels_file: str = "pixels.npy"
    """(n, height, width, channels) uint8, in the colour order of the model."""
    labels_file: str = "labels.npy"
    """(n,) int64, -1 where there is no label."""


def run(spec: Spec, context: StageContext) -> Result:
    """Writes both arrays row by row: memory does not grow with the number of samples.

    Raises:
        WorkbenchError: `dataset.empty`, `sample.unreadable`, `preprocessing.*` naming the sample, `stage.disk_full`.
    """
    p = spec.preprocessing
    validate(p)
    with Samples(spec.index, spec.pack) as samples:
        if len(samples) == 0:
            raise WorkbenchError("dataset.empty", "A dataset needs at least 1 readable image, but this one has 0.")
        chosen = spread(len(samples), spec.samples or len(samples))
        result = Result(len(chosen))
        np.save(context.folder / result.labels_file, labels_of(samples, chosen))
        shape = (len(chosen), p.height, p.width, p.channels)
        with PixelFile.create(context.folder / result.pixels_file, shape) as pixels:
            for done in _fill(pixels, samples, chosen, p, context.threads):
                context.report(Progress(done, len(chosen)))
    return result


def _fill(pixels: PixelFile, samples: Samples, chosen: list[int], p: Preprocessing, threads: int) -> Iterator[int]:
    """Writes row k from sample chosen[k]; yields how many rows are done."""

    def fill_chunk(start: int) -> int:
        stop = min(start + CHUNK, len(chosen))
        for row in range(start, stop):
            pixels.write_row(row, sample_pixels(samples.decode(chosen[row]), p, samples[chosen[row]].name))
        return stop

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(fill_chunk, range(0, len(chosen), CHUNK))


def sample_pixels(image: Image.Image, p: Preprocessing, name: str) -> np.ndarray:
    """`geometry` of one sample; an error names the sample."""
    try:
        return geometry(image, p)
    except WorkbenchError as error:
        raise WorkbenchError(error.code, error.message, where=name, hint=error.hint) from error
