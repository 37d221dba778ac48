"""Time and memory of the whole job, from image files to a saved INT8 file, on the same images and cores for all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.engine.quantize.recipe import QuantizationSettings
from benchmarks.quantization import tools
from benchmarks.quantization.cases import Case
from benchmarks.quantization.files import EFFORTS, SUBSET, peers_of
from benchmarks.quantization.ours import make


@dataclass(frozen=True)
class Job:
    label: str
    samples: int
    seconds: float
    peak_memory_mb: float
    steps: dict[str, float]
    """Seconds by step; empty for peers, which do not say."""
    step_memory_mb: dict[str, float]


@dataclass(frozen=True)
class CaseJobs:
    case: Case
    jobs: tuple[Job, ...]

    def job(self, label: str) -> Job:
        return next(job for job in self.jobs if job.label == label)


def measure_jobs(case: Case, python: Path, folder: Path) -> CaseJobs:
    with images_for(case, SUBSET, folder) as images, tempfile.TemporaryDirectory(dir=folder) as name:
        jobs = [our_job(case, images, SUBSET, effort, Path(name)) for effort in EFFORTS]
        for peer in peers_of(case):
            made = tools.make_peer(python, case, peer, images, SUBSET, Path(name))
            jobs.append(Job(peer, made.samples, made.seconds, made.peak_memory_mb, {}, {}))
    return CaseJobs(case, tuple(jobs))


def measure_memory(case: Case, folder: Path, counts: tuple[int, int]) -> tuple[Job, ...]:
    """The default job with few and with many samples."""
    found = []
    for count in counts:
        with images_for(case, count, folder) as images, tempfile.TemporaryDirectory(dir=folder) as name:
            found.append(our_job(case, images, count, "default", Path(name)))
    return tuple(found)


def our_job(case: Case, images: Path, samples: int, effort: str, folder: Path) -> Job:
    settings = QuantizationSettings(subset_size=samples, effort="fast" if effort == "fast" else "default")
    made = make(case, images, settings, folder / "ours.onnx")
    peak = max(made.peak_memory_mb.values())
    return Job(f"ours, {effort}", made.samples, made.total_seconds, peak, made.seconds, made.peak_memory_mb)


@contextmanager
def images_for(case: Case, count: int, folder: Path) -> Iterator[Path]:
    """A folder of `count` images: the calibration images, again and again under other names when there are fewer.

    For time and memory alone: each is decoded and run as if it were another one.
    """
    originals = sorted(path for path in case.images.iterdir() if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        copies = [Path(shutil.copy(path, name)) for path in originals[:count]]
        for number in range(len(copies), count):
            source = copies[number % len(copies)]
            os.link(source, source.with_name(f"again-{number:05d}{source.suffix}"))
        yield Path(name)
