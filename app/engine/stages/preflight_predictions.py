"""What the model says about the samples of a preflight, beside what the labels say, and what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.engine.preprocessing.board import Trial
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.stages.samples import Samples
from app.engine.tasks.classification import top_k


@dataclass(frozen=True)
class PreflightPrediction:
    """Classes are given as labels: position in the scores - label offset."""

    sample: int
    """Number in the dataset."""
    name: str
    preview_file: str
    label: int | None
    label_name: str
    """"" without a label."""
    predicted: int
    predicted_name: str
    score: float
    """Probability of the first class."""
    second: int
    second_name: str
    second_score: float
    correct: bool | None
    """None without a label."""


@dataclass(frozen=True)
class Received:
    """The input tensor of the samples, as the model got it."""

    shape: tuple[int, ...]
    """Of one sample, with its batch axis."""
    dtype: str
    minimum: float
    maximum: float
    mean_per_channel: tuple[float, ...]


def show_predictions(
    trial: Trial, numbers: Sequence[int], samples: Samples, previews: Sequence[str]
) -> tuple[PreflightPrediction, ...]:
    """One per sample the trial has seen; `numbers` and `previews` in the same order."""
    probabilities = trial.evidence.probabilities
    best = top_k(probabilities, 2)
    return tuple(
        _prediction(trial, probabilities[position], best[position], numbers[position], samples, previews[position])
        for position in range(trial.evidence.tried)
    )


def _prediction(
    trial: Trial, probabilities: np.ndarray, best: np.ndarray, number: int, samples: Samples, preview: str
) -> PreflightPrediction:
    sample, names = samples[number], samples.index.class_names
    first, second = int(best[0]) - trial.label_offset, int(best[1]) - trial.label_offset
    return PreflightPrediction(
        sample=number,
        name=sample.name,
        preview_file=preview,
        label=sample.label,
        label_name="" if sample.label is None else class_name(sample.label, names),
        predicted=first,
        predicted_name=class_name(first, names),
        score=float(probabilities[best[0]]),
        second=second,
        second_name=class_name(second, names),
        second_score=float(probabilities[best[1]]),
        correct=None if sample.label is None else first == sample.label,
    )


def class_name(label: int, names: Sequence[str]) -> str:
    """The dataset's name of a label, or its number where there is none."""
    return names[label] if 0 <= label < len(names) and names[label] else f"class {label}"


def receive(x: np.ndarray, p: Preprocessing) -> Received:
    """Facts about an input tensor x of several samples."""
    others = (0, 2, 3) if p.layout == "NCHW" else (0, 1, 2)
    return Received(
        shape=(1, *x.shape[1:]),
        dtype=x.dtype.name,
        minimum=float(x.min()),
        maximum=float(x.max()),
        mean_per_channel=tuple(float(value) for value in x.mean(axis=others, dtype=np.float64)),
    )
