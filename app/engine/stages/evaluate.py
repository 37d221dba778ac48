"""Accuracy of one model on the prepared samples, and its paired drop against a reference."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.pixel_file import PixelFile
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.evaluator import predict
from app.engine.tasks.results import Evaluation
from app.engine.tasks.verdicts import judge_samples, load_verdicts, require_labels_in_range, summarize
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Spec:
    model: Path
    pixels: Path
    labels: Path
    preprocessing: Preprocessing
    task: ClassificationTask
    reference: Path | None = None
    """`predictions.npz` of the reference on the same samples; None for the reference itself."""
    runtime: str = "onnxruntime"


@dataclass(frozen=True)
class Result:
    evaluation: Evaluation
    predictions_file: str = "predictions.npz"
    """top1 (n,) int32, top5 (n, 5) int32, correct1, correct5, labelled (n,) bool, margin (n,) float32."""


def run(spec: Spec, context: StageContext) -> Result:
    """Every sample once.

    Raises:
        WorkbenchError: `evaluation.empty`, `evaluation.label_out_of_range`, `evaluation.classes`,
            `evaluation.reference_mismatch`, `runtime.*`.
    """
    labels = np.load(spec.labels)
    require_labels_in_range(labels, spec.task)
    begin = time.perf_counter()
    session = get_runtime(spec.runtime).open(spec.model, threads=1)
    with PixelFile(spec.pixels) as pixels:
        n = len(pixels)
        if n == 0:
            raise WorkbenchError("evaluation.empty", "An evaluation needs at least 1 sample, but there are 0.")
        predictions = predict(
            session,
            spec.task,
            pixels,
            spec.preprocessing,
            threads=context.threads,
            on_done=lambda done: context.report(Progress(done, n)),
        )
    verdicts = judge_samples(predictions, labels, spec.task)
    reference = None if spec.reference is None else load_verdicts(spec.reference)
    result = Result(summarize(verdicts, reference, time.perf_counter() - begin))
    verdicts.save(context.folder / result.predictions_file)
    return result
