"""Memory of calibration does not know how many samples there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.calibration_memory import measure_calibration, model_input, write_pixels
from tests.support.shared import SHARED, needs_shared

pytestmark = [pytest.mark.slow, needs_shared]

MODELS = SHARED / "data" / "models"
ABOVE_THE_MODEL_MB = 1024
GROWTH = 1.05


@pytest.mark.parametrize("name", ["fashion_unet", "squeezenet1.1"])
def test_three_thousand_samples_take_what_three_hundred_take(name: str, tmp_path: Path) -> None:
    model = MODELS / f"{name}.onnx"
    pixels = write_pixels(tmp_path / "pixels.npy", 3000, *model_input(model))
    few, many = (measure_calibration(model, pixels, tmp_path / str(n), samples=n) for n in (300, 3000))
    assert many.peak_mb <= GROWTH * few.peak_mb, f"{few.peak_mb:.0f} MB with 300 samples, {many.peak_mb:.0f} MB with 3,000"


@pytest.mark.parametrize("model", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_no_model_takes_a_gigabyte_more_than_itself(model: Path, tmp_path: Path) -> None:
    pixels = write_pixels(tmp_path / "pixels.npy", 100, *model_input(model))
    measured = measure_calibration(model, pixels, tmp_path / "stage", samples=100)
    assert measured.peak_mb < ABOVE_THE_MODEL_MB + model.stat().st_size / 2**20
