"""What every pipeline needs: the project's files, stages that add up their cost, an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.records import to_json
from app.engine.tasks.classification import ClassificationTask
from app.jobs.executor import Artifact, StageExecutor, StageOutcome


@dataclass(frozen=True)
class ProjectInputs:
    model: Artifact
    index: Artifact
    pack: Artifact | None
    """None when the index points into a local folder."""
    preprocessing: Preprocessing
    task: ClassificationTask


@dataclass(frozen=True)
class Effort:
    """What the run cost: seconds by stage label, peak memory over all children."""

    seconds: dict[str, float]
    peak_memory_mb: float


class Bookkeeping:
    """Runs stages and adds up what they cost."""

    def __init__(self, executor: StageExecutor) -> None:
        self._executor = executor
        self._seconds: dict[str, float] = {}
        self._peak_memory_mb = 0.0

    def run(self, stage: str, label: str, files: dict[str, Any], params: dict[str, Any], **options: Any) -> StageOutcome:
        outcome = self._executor.run(stage, files=files, params=params, label=label, **options)
        self._seconds[label] = self._seconds.get(label, 0.0) + outcome.seconds
        self._peak_memory_mb = max(self._peak_memory_mb, outcome.peak_memory_mb)
        return outcome

    @property
    def effort(self) -> Effort:
        return Effort(self._seconds, self._peak_memory_mb)


def evaluate(
    stages: Bookkeeping, inputs: ProjectInputs, samples: StageOutcome, model: Artifact, reference: Artifact | None, label: str
) -> StageOutcome:
    """Accuracy of `model` on every sample, compared with the predictions in `reference`."""
    files = {
        "model": model,
        "pixels": samples.files["pixels.npy"],
        "labels": samples.files["labels.npy"],
        "reference": reference,
    }
    return stages.run("evaluate", label, files, {"preprocessing": to_json(inputs.preprocessing), "task": to_json(inputs.task)})
