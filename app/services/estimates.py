"""How long stages will take, before and while they run. Pure.

What this project's earlier runs took is the best guess; without one, a model of the work:

| stage | work |
| --- | --- |
| prepare | decode and resize each image on one core |
| evaluate (FP32, INT8, a trial) | images / throughput of one core's worth of the baseline |
| calibrate | subset / throughput, a few times: every tensor is an output |
| fit | as many candidates, each on 100 samples; each group alone on a few; moments of 32 samples |
| tune | races of files, bounded |
| rank | groups × a small evaluation |
| benchmark, paired | as configured |

Estimates are ranges, low and high; nobody is promised a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.engine.accuracy_aware.search import most_trials
from app.jobs.labels import CALIBRATE, COMPARE, FIT, GRID, PAIRED, PREPARE, QUANTIZE, RANK, REFERENCE, SEARCH, TUNE

Range = tuple[float, float]

MACS_PER_SECOND = 15e9
"""Of one core in FP32, where nothing was measured yet."""
SECONDS_PER_IMAGE = 0.008
"""Decode and resize a photograph."""
STAGE_START_S = 0.8
"""A child process with onnxruntime imported."""
GRID_CELLS = 4
"""One request and one per core, each of 1 and of 8 samples."""
RANKING_SAMPLES = 16
FIT_PASSES = 8
"""Over about 100 samples: candidates, moments, biases in sequence."""
NOISE_SAMPLES = 4
TUNE_S = 18.0
"""Most of its races; a model where nothing can be won takes a third."""
USUAL_MULTIPLY_ADDS = 500_000_000


@dataclass(frozen=True)
class Work:
    """The size of a project's work."""

    images: int
    subset: int
    multiply_adds: int
    groups: int
    """Heavy layers: Conv, Gemm, MatMul."""
    fps: float | None
    """Best FP32 throughput measured on the device; None before the baseline."""
    cores: int
    cell_seconds: float
    paired_seconds: float
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Seconds of finished stages of earlier runs by label, newest first."""


def expect(label: str, work: Work) -> Range:
    """Seconds a stage will take, as a range."""
    earlier = work.measured.get(label)
    if earlier and label not in (SEARCH, RANK):
        return (0.8 * earlier[0], 1.3 * earlier[0] + 0.5)
    low, high = _model(label, work)
    return (low, high + STAGE_START_S)


def expect_all(labels: Iterable[str], work: Work) -> dict[str, Range]:
    return {label: expect(label, work) for label in labels}


def _model(label: str, work: Work) -> Range:
    if label in (GRID, PAIRED):  # configured, not guessed
        seconds = GRID_CELLS * (work.cell_seconds + 0.5) if label == GRID else work.paired_seconds * 1.5
        return (seconds * 0.9, seconds * 1.8)
    guess = 1.0 if work.fps is not None else 2.0
    seconds = _seconds(label, work)
    if label == SEARCH:
        return (0.0, seconds * guess)
    return (seconds / (1.6 * guess), seconds * 1.6 * guess)


def _seconds(label: str, work: Work) -> float:
    fps = work.fps or work.cores * MACS_PER_SECOND / (work.multiply_adds or USUAL_MULTIPLY_ADDS)
    evaluation = STAGE_START_S + work.images / fps
    quantization = STAGE_START_S + 1.5
    return {
        PREPARE: STAGE_START_S + work.images * SECONDS_PER_IMAGE,
        REFERENCE: evaluation,
        CALIBRATE: STAGE_START_S + 1 + 2 * work.subset / fps,
        FIT: STAGE_START_S + 1 + FIT_PASSES * min(work.subset, 100) / fps + work.groups * (0.1 + NOISE_SAMPLES / fps),
        TUNE: STAGE_START_S + TUNE_S,
        QUANTIZE: quantization,
        COMPARE: evaluation,
        RANK: STAGE_START_S + work.groups * (0.1 + 2 * RANKING_SAMPLES / fps),
        SEARCH: (most_trials(work.groups) - 1) * (quantization + evaluation),
    }.get(label, 2.0)


def total(ranges: Iterable[Range]) -> Range:
    listed = list(ranges)
    return (sum(low for low, _ in listed), sum(high for _, high in listed))
