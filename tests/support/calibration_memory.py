"""Peak memory of the calibrate stage in its own child, for a given number of samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.engine.stages.pixel_file import PixelFile
from app.jobs.child import Limits, run_child


@dataclass(frozen=True)
class CalibrationMemory:
    peak_mb: float
    """Of the whole process, libraries included."""
    seconds: float
    tensors: int


def model_input(model: Path) -> tuple[int, int]:
    """(height, width) of an NCHW model."""
    dims = onnx.load(model).graph.input[0].type.tensor_type.shape.dim
    return dims[2].dim_value, dims[3].dim_value


def write_pixels(path: Path, samples: int, height: int, width: int, source: np.ndarray | None = None) -> Path:
    """`samples` rows: those of `source`, (n, height, width, 3) uint8, again and again; noise without it."""
    if source is None:
        source = np.random.default_rng(0).integers(0, 256, (16, height, width, 3), np.uint8)
    with PixelFile.create(path, (samples, height, width, 3)) as pixels:
        for row in range(samples):
            pixels.write_row(row, source[row % len(source)])
    return path


def measure_calibration(model: Path, pixels: Path, folder: Path, *, samples: int, threads: int = 2) -> CalibrationMemory:
    """
    Args:
        folder: Empty; the stage's own.
        samples: Of the pixel file, at most all of them.
    """
    height, width = model_input(model)
    spec = {
        "model": str(model),
        "pixels": str(pixels),
        "preprocessing": to_json(Preprocessing(height, width)),
        "settings": to_json(QuantizationSettings(subset_size=samples)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    done = run_child("calibrate", spec, folder, limits=Limits(threads=threads))
    return CalibrationMemory(done.peak_memory_mb, done.seconds, int(done.result["tensors"]))
