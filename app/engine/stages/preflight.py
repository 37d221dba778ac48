"""Does the model see the images rightly? Finds or checks the preprocessing on a few samples and shows what the model says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from app.engine.preprocessing.board import Trial
from app.engine.preprocessing.candidates import ImageInput
from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.engine.preprocessing.preflight import PreflightSearch
from app.engine.preprocessing.presets import describe
from app.engine.preprocessing.validation import validate
from app.engine.runtimes import get_runtime
from app.engine.runtimes.base import Session
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.preflight_images import PreflightImages
from app.engine.stages.preflight_predictions import PreflightPrediction, Received, receive, show_predictions
from app.engine.stages.preflight_samples import all_have_size, choose_numbers, possible_offsets
from app.engine.stages.samples import Samples, labels_of
from app.engine.tasks.classification import ClassificationTask, probabilities
from app.engine.tasks.evaluator import compute_scores
from app.engine.tasks.image_input import find_image_input, find_task


@dataclass(frozen=True)
class Spec:
    model: Path
    index: Path
    pack: Path | None
    samples: int = 48
    seconds: float = 20.0
    """Until the search ends, from opening the model on; the previews come on top."""
    fixed: Preprocessing | None = None
    """Only this is checked; None searches."""
    label_offset: int | None = None
    """None finds it out."""
    height: int | None = None
    width: int | None = None
    runtime: str = "onnxruntime"


@dataclass(frozen=True)
class Candidate:
    preprocessing: Preprocessing
    description: str
    label_offset: int
    matches: int
    """Samples whose first class is the label; 0 without labels."""
    tried: int
    mean_confidence: float


@dataclass(frozen=True)
class Result:
    candidates: tuple[Candidate, ...]
    """The chosen one first, then by how far each got and how good it was."""
    chosen: int
    """Index into `candidates`."""
    task: ClassificationTask
    samples: int
    """Shown to the model with the chosen preprocessing."""
    labelled: bool
    decided: Literal["clear", "close", "guess", "by-hand"]
    predictions: tuple[PreflightPrediction, ...]
    received: Received
    seconds: float
    preview_files: tuple[str, ...]


def run(spec: Spec, context: StageContext) -> Result:
    """The search, then the chosen preprocessing's predictions with previews.

    Raises:
        WorkbenchError: `dataset.empty`, `preflight.*`, `preprocessing.*`, `evaluation.label_out_of_range`, `task.not_scores`,
            `sample.unreadable`, `runtime.*`.
    """
    begin = time.perf_counter()
    session = get_runtime(spec.runtime).open(spec.model, threads=1)
    image = _image_input(session, spec)
    task = find_task(session, image)
    with Samples(spec.index, spec.pack) as samples, ThreadPoolExecutor(context.threads) as pool:
        offsets = possible_offsets(samples, task, spec.label_offset)
        images = PreflightImages(samples, choose_numbers(samples, spec.samples))
        scorer = _Scorer(session, task, images, pool)
        labels = labels_of(samples, images.numbers)
        search = PreflightSearch(
            scorer,
            labels,
            offsets,
            out_of_time=lambda: time.perf_counter() - begin > spec.seconds,
            on_done=lambda done, planned: context.report(Progress(done, planned)),
        )
        outcome = search.check(spec.fixed) if spec.fixed else search.run(image, same_size=all_have_size(samples, image))
        chosen = outcome.trials[0]
        shown = range(chosen.evidence.tried)
        previews = tuple(f"preview-{position:03d}.jpg" for position in shown)
        list(pool.map(lambda position: images.write_preview(position, context.folder / previews[position]), shown))
        pixels = np.stack([images.pixels(position, chosen.preprocessing) for position in shown])
        return Result(
            candidates=tuple(_candidate(trial) for trial in outcome.trials),
            chosen=0,
            task=replace(task, label_offset=chosen.label_offset),
            samples=len(shown),
            labelled=bool((labels >= 0).any()),
            decided=outcome.decided,
            predictions=show_predictions(chosen, images.numbers, samples, previews),
            received=receive(normalize(pixels, chosen.preprocessing, session.inputs[0].dtype), chosen.preprocessing),
            seconds=time.perf_counter() - begin,
            preview_files=previews,
        )


def _image_input(session: Session, spec: Spec) -> ImageInput:
    """What the model demands; a given preprocessing says the size and layout that the model leaves open, and must fit."""
    p = spec.fixed
    if p is None:
        return find_image_input(session, spec.height, spec.width)
    shape = session.inputs[0].shape if session.inputs else ()
    open_size = len(shape) == 4 and not all(isinstance(size, int) for size in shape[1:])
    image = find_image_input(session, *((p.height, p.width) if open_size else ()))
    validate(p, channels=image.channels, height=image.height, width=image.width, layout=image.layout)
    return image


class _Scorer:
    """Runs candidates: one request per sample (or fixed batch) and thread."""

    def __init__(self, session: Session, task: ClassificationTask, images: PreflightImages, pool: ThreadPoolExecutor) -> None:
        self._session, self._task, self._images, self._pool = session, task, images, pool
        (entry,) = session.inputs
        self._dtype, self._batch = entry.dtype, entry.shape[0] if isinstance(entry.shape[0], int) else 1

    def __call__(self, p: Preprocessing, positions: Sequence[int]) -> np.ndarray:
        batches = [positions[start : start + self._batch] for start in range(0, len(positions), self._batch)]
        return probabilities(np.concatenate(list(self._pool.map(lambda batch: self._scores(p, batch), batches))))

    def _scores(self, p: Preprocessing, positions: Sequence[int]) -> np.ndarray:
        pixels = np.stack([self._images.pixels(position, p) for position in positions])
        return compute_scores(self._session, self._task.output, normalize(pixels, p, self._dtype))


def _candidate(trial: Trial) -> Candidate:
    seen = trial.evidence
    return Candidate(
        preprocessing=trial.preprocessing,
        description=describe(trial.preprocessing),
        label_offset=trial.label_offset,
        matches=seen.matches,
        tried=seen.tried,
        mean_confidence=seen.confidence,
    )
