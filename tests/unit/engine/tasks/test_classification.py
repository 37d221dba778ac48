from __future__ import annotations

import numpy as np
import pytest

from app.engine.tasks.classification import are_probabilities, class_scores, margins, probabilities, top_k
from app.errors import WorkbenchError


@pytest.mark.parametrize("shape", [(4, 10), (4, 10, 1, 1), (4, 1, 1, 10), (4, 1, 10)])
def test_axes_of_length_one_are_dropped(shape: tuple[int, ...]) -> None:
    values = np.arange(40, dtype=np.float64).reshape(shape)
    scores = class_scores(values, 4)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, np.arange(40).reshape(4, 10))


def test_single_sample_may_come_without_its_batch_axis() -> None:
    assert class_scores(np.arange(10.0), 1).shape == (1, 10)


@pytest.mark.parametrize(("shape", "n"), [((2, 11, 160, 160), 2), ((1, 14, 500), 1), ((1, 100, 6), 1), ((7,), 2)])
def test_maps_and_boxes_are_not_scores(shape: tuple[int, ...], n: int) -> None:
    with pytest.raises(WorkbenchError) as refused:
        class_scores(np.zeros(shape, np.float32), n)
    assert refused.value.code == "task.not_scores"


def test_top_k_is_best_first_and_stable_between_equals() -> None:
    scores = np.array([[0.1, 0.5, 0.5, 0.2, 0.9, 0.0, 0.5]], np.float32)
    np.testing.assert_array_equal(top_k(scores), [[4, 1, 2, 6, 3]])
    np.testing.assert_array_equal(top_k(scores[:, :3]), [[1, 2, 0]])


def test_top_k_equals_sorting_in_double_precision() -> None:
    scores = np.random.default_rng(0).standard_normal((50, 200)).astype(np.float32)
    expected = [np.argsort(-row.astype(np.float64), kind="stable")[:5] for row in scores]
    np.testing.assert_array_equal(top_k(scores), expected)


def test_margin_is_best_minus_second() -> None:
    np.testing.assert_allclose(margins(np.array([[1.0, 4.0, 3.5], [2.0, 2.0, 1.0]], np.float32)), [0.5, 0.0])
    np.testing.assert_array_equal(margins(np.ones((2, 1), np.float32)), [0, 0])


def test_probabilities_are_kept_and_logits_go_through_softmax() -> None:
    given = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]], np.float32)
    assert are_probabilities(given)
    assert probabilities(given) is given
    logits = np.array([[1000.0, 0.0, -1000.0], [1.0, 1.0, 1.0]], np.float32)
    assert not are_probabilities(logits)
    np.testing.assert_allclose(probabilities(logits), [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-7)


def test_sigmoid_scores_are_not_taken_for_probabilities_of_one_class() -> None:
    assert not are_probabilities(np.array([[0.9, 0.8, 0.1]], np.float32))
