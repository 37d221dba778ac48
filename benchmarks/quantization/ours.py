"""Our INT8 file of a case, made by the product's own pipeline of stages, each in its child process as for a user.

What judges a file in that pipeline (accuracy, throughput) is left out: this benchmark has judges of its own, and they share
no code with the product.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.local import LocalExecutor
from app.jobs.pipelines import BenchmarkPlan, ProjectInputs, run_optimize
from app.services.local import Bench, inspect_model
from app.settings import Settings
from benchmarks.quantization.cases import Case

FLOAT_TWIN = "float_twin.onnx"
"""The FP32 network after the same exact rewrites, where the pipeline gives one: the fair baseline."""
NOT_JUDGED = Evaluation(0, 0, None, None, 0, None, None, None, None, 0.0)


@dataclass(frozen=True)
class Made:
    """One file and what it cost; kept as JSON beside the file."""

    file: str
    seconds: dict[str, float]
    """By step, process start included, in the order run."""
    peak_memory_mb: dict[str, float]
    """By step: resident memory of that step's process."""
    samples: int
    recipe: dict[str, Any] = field(default_factory=dict)
    twin: str = ""

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


class _DeliveredError(Exception):
    """Ends the pipeline where it would begin to measure the finished file."""

    def __init__(self, model: Artifact) -> None:
        super().__init__()
        self.model = model


class _MakingExecutor(LocalExecutor):
    """Runs the stages that make a file and none that judges it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings)
        self.outcomes: dict[str, StageOutcome] = {}
        """By label, the last of each."""
        self.results: list[dict[str, Any]] = []

    def run(
        self,
        stage: str,
        *,
        files: Mapping[str, Artifact | Sequence[Artifact] | None],
        params: Mapping[str, Any],
        label: str = "",
        exclusive: bool = False,
        memo: bool = True,
        wall_seconds: float = 0,
    ) -> StageOutcome:
        if stage == "evaluate":
            return StageOutcome({"evaluation": to_json(NOT_JUDGED)}, {"predictions.npz": Artifact(Path())})
        if stage == "benchmark":
            model = files["model"]
            assert isinstance(model, Artifact)
            raise _DeliveredError(model)
        outcome = super().run(
            stage, files=files, params=params, label=label, exclusive=exclusive, memo=memo, wall_seconds=wall_seconds
        )
        self.outcomes[label or stage] = outcome
        return outcome

    @property
    def recipe(self) -> dict[str, Any]:
        """Of the last step that wrote one."""
        recipes = [outcome.result["recipe"] for outcome in self.outcomes.values() if "recipe" in outcome.result]
        return dict(recipes[-1])

    @property
    def twin(self) -> Artifact | None:
        twins = [outcome.files[FLOAT_TWIN] for outcome in self.outcomes.values() if FLOAT_TWIN in outcome.files]
        return twins[-1] if twins else None


def make(case: Case, images: Path, settings: QuantizationSettings, target: Path, limits: Settings | None = None) -> Made:
    """Writes the file to `target`, its float twin to `<target>.twin.onnx`, and `<target>.json`."""
    limits = limits or Settings()
    with tempfile.TemporaryDirectory(prefix="quantization-", dir=target.parent) as name:
        folder = Path(name).absolute()
        bench = Bench(folder / "looks", limits)
        executor = _MakingExecutor(folder / "run", limits)
        inputs = _open(bench, case, images)
        try:
            run_optimize(executor, inputs, settings, BenchmarkPlan(limits.usable_cores, 0.0, 0.0))
        except _DeliveredError as delivered:
            shutil.copyfile(delivered.model.path, target)
        twin = executor.twin
        if twin is not None:
            shutil.copyfile(twin.path, target.with_suffix(".twin.onnx"))
        recipe = executor.recipe
    made = Made(
        file=str(target),
        seconds={label: outcome.seconds for label, outcome in executor.outcomes.items()},
        peak_memory_mb={label: outcome.peak_memory_mb for label, outcome in executor.outcomes.items()},
        samples=len(recipe["calibration_samples"]),
        recipe=recipe,
        twin="" if twin is None else str(target.with_suffix(".twin.onnx")),
    )
    target.with_suffix(".json").write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
    return made


def load_made(target: Path) -> Made:
    return Made(**json.loads(target.with_suffix(".json").read_text(encoding="utf-8")))


def _open(bench: Bench, case: Case, images: Path) -> ProjectInputs:
    """What an upload does once: its time is no part of the job."""
    model = inspect_model(bench, case.model)
    looked = bench.run("inspect_dataset", "dataset", {"upload": Artifact(images)}, {"filename": images.name})
    index = looked.files[looked.result["index_file"]]
    pack = looked.files[looked.result["pack_file"]] if looked.result["pack_file"] else None
    preprocessing: Preprocessing = case.preprocessing
    return ProjectInputs(model.file, index, pack, preprocessing, ClassificationTask("", 0))
