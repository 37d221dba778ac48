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

from app.engine.benchmark.environment import read_environment
from app.engine.benchmark.results import GridResult, PairedResult, Setting
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.engine.runtimes import get_runtime
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.labels import TWIN
from app.jobs.local import LocalExecutor
from app.jobs.pipelines import BenchmarkPlan, ProjectInputs, run_optimize
from app.services.local import Bench, inspect_model
from app.settings import Settings
from benchmarks.quantization.cases import Case

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
    """FP32 with the same exact rewrites; "" when there were none."""

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


class _MakingExecutor(LocalExecutor):
    """Runs the stages that make a file; those that judge it are answered with nothing measured."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings)
        self.outcomes: dict[str, StageOutcome] = {}
        """By label, the last of each."""
        self.twin: Artifact | None = None

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
        environment = read_environment(get_runtime("onnxruntime"))
        if stage == "evaluate":
            return StageOutcome({"evaluation": to_json(NOT_JUDGED)}, {"predictions.npz": Artifact(Path())})
        if stage == "benchmark":
            return StageOutcome({"grid": to_json(GridResult((), 0.0, 0.0, 0.0, environment))})
        if stage == "paired":
            self.twin = dict(zip(params["names"], _several(files["models"]), strict=True)).get(TWIN)
            return StageOutcome({"paired": to_json(PairedResult(Setting(1, 1, 1), 0, 0.0, (), environment))})
        outcome = super().run(
            stage, files=files, params=params, label=label, exclusive=exclusive, memo=memo, wall_seconds=wall_seconds
        )
        self.outcomes[label or stage] = outcome
        return outcome


def _several(files: Artifact | Sequence[Artifact] | None) -> Sequence[Artifact]:
    assert isinstance(files, Sequence)
    return files


def make(case: Case, images: Path, settings: QuantizationSettings, target: Path, limits: Settings | None = None) -> Made:
    """Writes the file to `target`, its float twin to `<target>.twin.onnx`, and `<target>.json`."""
    limits = limits or Settings()
    with tempfile.TemporaryDirectory(prefix="quantization-", dir=target.parent) as name:
        folder = Path(name).absolute()
        bench = Bench(folder / "looks", limits)
        executor = _MakingExecutor(folder / "run", limits)
        plan = BenchmarkPlan(limits.usable_cores, 0.0, 0.0)
        outcome = run_optimize(executor, _open(bench, case, images), settings, plan)
        shutil.copyfile(outcome.optimized.model.path, target)
        if executor.twin is not None:
            shutil.copyfile(executor.twin.path, target.with_suffix(".twin.onnx"))
    made = Made(
        file=str(target),
        seconds={label: outcome.seconds for label, outcome in executor.outcomes.items()},
        peak_memory_mb={label: outcome.peak_memory_mb for label, outcome in executor.outcomes.items()},
        samples=len(outcome.recipe.calibration_samples),
        recipe=to_json(outcome.recipe),
        twin="" if executor.twin is None else str(target.with_suffix(".twin.onnx")),
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
    return ProjectInputs(model.file, index, pack, case.preprocessing, ClassificationTask("", 0))
