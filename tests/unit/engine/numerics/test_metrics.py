from __future__ import annotations

import math

import numpy as np
import pytest

from app.engine.numerics.metrics import compute_energies, sqnr_db, sqnr_from_energies


def test_noise_of_a_tenth_is_twenty_decibels() -> None:
    x_ref = np.array([[3.0, 4.0]], np.float32)
    assert sqnr_db(x_ref, x_ref * np.float32(1.1)) == pytest.approx(20.0, abs=1e-5)


def test_energies_add_over_samples() -> None:
    generator = np.random.default_rng(0)
    x_ref, x = generator.standard_normal((2, 6, 5))
    parts = [compute_energies(x_ref[i], x[i]) for i in range(6)]
    together = sqnr_from_energies(sum(signal for signal, _ in parts), sum(noise for _, noise in parts))
    assert together == pytest.approx(sqnr_db(x_ref, x))


@pytest.mark.parametrize(
    ("x_ref", "x", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], math.inf),
        ([0.0, 0.0], [0.0, 0.0], math.inf),
        ([], [], math.inf),
        ([0.0, 0.0], [0.0, 1.0], -math.inf),
    ],
)
def test_degenerate_tensors_have_a_documented_result(x_ref: list[float], x: list[float], expected: float) -> None:
    assert sqnr_db(np.array(x_ref), np.array(x)) == expected


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_a_number_is_never_hidden(bad: float) -> None:
    assert math.isnan(sqnr_db(np.array([1.0, bad]), np.array([1.0, 2.0])))
    assert math.isnan(sqnr_db(np.array([1.0, 2.0]), np.array([1.0, bad])))
    assert math.isnan(sqnr_db(np.array([1.0, bad]), np.array([1.0, bad])))


def test_integers_do_not_wrap() -> None:
    assert sqnr_db(np.array([0, 200], np.uint8), np.array([0, 220], np.uint8)) == pytest.approx(20.0)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        sqnr_db(np.zeros((2, 3)), np.zeros((3, 2)))
