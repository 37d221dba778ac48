"""Predictions and labels -> which samples are right, and what that says about the model and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.numerics.intervals import PairedDrop, paired_drop, wilson_interval
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.evaluator import Predictions
from app.engine.tasks.results import Evaluation
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Verdicts:
    """Per sample; written as `predictions.npz` under these names, `top` as `top5`, with `top1` beside it."""

    top: np.ndarray
    """(n, min(5, classes)) int32: positions in the scores, best first."""
    correct1: np.ndarray
    """(n,) bool; False without a label."""
    correct5: np.ndarray
    labelled: np.ndarray
    """(n,) bool"""
    margin: np.ndarray
    """(n,) float32: best minus second best score."""

    def save(self, path: Path) -> None:
        np.savez(
            path,
            top1=self.top[:, 0],
            top5=self.top,
            correct1=self.correct1,
            correct5=self.correct5,
            labelled=self.labelled,
            margin=self.margin,
        )


def load_verdicts(path: Path) -> Verdicts:
    with np.load(path, allow_pickle=False) as file:
        return Verdicts(file["top5"], file["correct1"], file["correct5"], file["labelled"], file["margin"])


def labels_fit(labels: np.ndarray, classes: int, label_offset: int) -> bool:
    """Whether every label of (n,) int64, -1 where there is none, has a place in the scores."""
    return not len(_misplaced(labels, classes, label_offset))


def _misplaced(labels: np.ndarray, classes: int, label_offset: int) -> np.ndarray:
    position = labels + label_offset
    return np.flatnonzero((labels >= 0) & ((position < 0) | (position >= classes)))


def require_labels_in_range(labels: np.ndarray, task: ClassificationTask, names: Sequence[str] = ()) -> None:
    """Every label must have a place in the scores.

    Args:
        labels: (n,) int64, -1 where there is none.
        names: (n,) of the samples, where they are known: to say which one is wrong.

    Raises:
        WorkbenchError: `evaluation.label_out_of_range`, naming the first such sample.
    """
    wrong = _misplaced(labels, task.classes, task.label_offset)
    if len(wrong):
        label, low = int(labels[wrong[0]]), -task.label_offset
        raise WorkbenchError(
            "evaluation.label_out_of_range",
            f"The model has {task.classes} classes, so with label offset {task.label_offset} labels go from {max(0, low)} to "
            f"{low + task.classes - 1}, but {len(wrong)} of {int((labels >= 0).sum())} lie outside, the first with {label}.",
            where=names[wrong[0]] if names else f"sample {int(wrong[0])}",
            hint="If the labels count from 1, set the label offset to -1; otherwise the dataset belongs to another model.",
        )


def judge_samples(predictions: Predictions, labels: np.ndarray, task: ClassificationTask) -> Verdicts:
    """Which samples are right: the label's position in the scores is the best one, or among the five best."""
    labelled = labels >= 0
    hits = (predictions.top == (labels + task.label_offset)[:, None]) & labelled[:, None]  # (n, 5)
    return Verdicts(predictions.top, hits[:, 0], hits.any(axis=1), labelled, predictions.margin)


def summarize(verdicts: Verdicts, reference: Verdicts | None, seconds: float) -> Evaluation:
    """Counts, intervals and, against a reference on the same samples, the paired drop.

    Raises:
        WorkbenchError: `evaluation.reference_mismatch` when the reference saw other samples.
    """
    n, labelled = len(verdicts.top), int(verdicts.labelled.sum())
    top1_correct, top5_correct = int(verdicts.correct1.sum()), int(verdicts.correct5.sum())
    drops = (None, None) if reference is None else _drops(verdicts, reference)
    return Evaluation(
        n=n,
        labelled=labelled,
        top1_correct=top1_correct if labelled else None,
        top5_correct=top5_correct if labelled else None,
        agreement=n if reference is None else int((verdicts.top[:, 0] == reference.top[:, 0]).sum()),
        top1=wilson_interval(top1_correct, labelled) if labelled else None,
        top5=wilson_interval(top5_correct, labelled) if labelled else None,
        top1_drop=drops[0],
        top5_drop=drops[1],
        seconds=seconds,
    )


def _drops(verdicts: Verdicts, reference: Verdicts) -> tuple[PairedDrop, PairedDrop]:
    """Of top-1 and top-5. Without labels the reference's first class stands in for the label, so nothing can be gained."""
    if len(reference.top) != len(verdicts.top) or (reference.labelled != verdicts.labelled).any():
        raise WorkbenchError(
            "evaluation.reference_mismatch",
            f"Both evaluations must be of the same samples, but the reference has {len(reference.top)} and this has "
            f"{len(verdicts.top)}, or their labels differ.",
            where="reference",
        )
    mask = verdicts.labelled
    if mask.any():
        return (
            paired_drop(reference.correct1[mask], verdicts.correct1[mask]),
            paired_drop(reference.correct5[mask], verdicts.correct5[mask]),
        )
    agrees = verdicts.top == reference.top[:, :1]  # (n, 5)
    right = np.ones(len(agrees), bool)
    return paired_drop(right, agrees[:, 0]), paired_drop(right, agrees.any(axis=1))
