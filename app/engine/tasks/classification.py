"""Image classification: raw scores -> predictions, top-k, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.errors import WorkbenchError

TOP_K = 5
PROBABILITY_TOLERANCE = 0.02
"""Probabilities of 8-bit networks add up to 1 only within the step of their last scale."""


@dataclass(frozen=True)
class ClassificationTask:
    output: str
    """Name of the output with the scores, (batch, classes) after dropping axes of length 1."""
    classes: int
    label_offset: int = 0
    """Position of a label in the scores = label + label_offset (1 for networks with a background class)."""
    kind: Literal["classification"] = "classification"


def class_scores(values: np.ndarray, n: int) -> np.ndarray:
    """(n, classes) float32 of an output for n samples: axes of length 1 are dropped.

    Raises:
        WorkbenchError: `task.not_scores` when something else than classes varies within a sample.
    """
    within = values.shape[1:] if values.ndim and values.shape[0] == n else values.shape
    if sum(size != 1 for size in within) > 1 or values.size % n:
        raise WorkbenchError(
            "task.not_scores",
            f"Classification needs one score per class, but the output has the shape {values.shape} for {n} sample(s).",
            hint="Choose a model whose output is (batch, classes).",
        )
    return values.reshape(n, -1).astype(np.float32, copy=False)


def top_k(scores: np.ndarray, k: int = TOP_K) -> np.ndarray:
    """The k best classes of each sample, best first, the lower number first between equals.

    Args:
        scores: (n, classes) float.

    Returns:
        (n, min(k, classes)) int32.
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)


def margins(scores: np.ndarray) -> np.ndarray:
    """(n,) float32: best minus second best score, in the scores' own unit; 0 with a single class."""
    if scores.shape[1] < 2:
        return np.zeros(len(scores), np.float32)
    best = np.partition(scores, -2, axis=1)[:, -2:]  # (n, 2), ascending
    return np.asarray(best[:, 1] - best[:, 0], np.float32)


def are_probabilities(scores: np.ndarray) -> bool:
    """Whether all scores (n, classes) lie in 0..1 and each sample's add up to 1."""
    inside = (scores >= 0) & (scores <= 1 + PROBABILITY_TOLERANCE)
    return bool(inside.all() and (np.abs(scores.sum(axis=1) - 1) <= PROBABILITY_TOLERANCE).all())


def probabilities(scores: np.ndarray) -> np.ndarray:
    """(n, classes) float32: the scores themselves when they are probabilities, else their softmax."""
    if are_probabilities(scores):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float32)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
