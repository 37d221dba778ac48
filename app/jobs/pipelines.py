"""What a run of each kind does, as a sequence of stages. The worker and the CLI call the same functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.engine.accuracy_aware.search import Trial, choose
from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.benchmark.results import GridResult, PairedResult, Setting
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.records import from_json, to_json
from app.engine.tasks.results import Evaluation
from app.jobs.bookkeeping import Bookkeeping, Effort, ProjectInputs, evaluate
from app.jobs.candidates import Candidates
from app.jobs.executor import Artifact, StageExecutor, StageOutcome
from app.jobs.labels import (
    CALIBRATE,
    COMPARE,
    FIT,
    GRID,
    PAIRED,
    PREPARE,
    QUANTIZE,
    RANK,
    REFERENCE,
    SEARCH,
    TUNE,
    TWIN,
    optimize_labels,
)

__all__ = [
    "CALIBRATE",
    "COMPARE",
    "FIT",
    "GRID",
    "PAIRED",
    "PREPARE",
    "QUANTIZE",
    "RANK",
    "REFERENCE",
    "SEARCH",
    "TUNE",
    "TWIN",
    "BaselineOutcome",
    "BenchmarkPlan",
    "Effort",
    "MeasuredFile",
    "OptimizeOutcome",
    "ProjectInputs",
    "optimize_labels",
    "run_baseline",
    "run_comparison",
    "run_optimize",
]


@dataclass(frozen=True)
class BenchmarkPlan:
    cores: int
    grid_seconds: float
    """Per cell of the grid."""
    paired_seconds: float
    """All files together, settling not counted."""
    grid: tuple[Setting, ...] = ()
    """Empty: the usual grid for this many cores."""

    @property
    def paired_setting(self) -> Setting:
        """One request per core, each on one thread: the setting with the best throughput for small networks."""
        return Setting(streams=self.cores, threads=1, batch=1)


@dataclass(frozen=True)
class MeasuredFile:
    model: Artifact
    evaluation: Evaluation
    predictions: Artifact
    grid: GridResult


@dataclass(frozen=True)
class BaselineOutcome:
    original: MeasuredFile
    effort: Effort


@dataclass(frozen=True)
class OptimizeOutcome:
    optimized: MeasuredFile
    recipe: Recipe
    reference: Evaluation
    trials: tuple[Trial, ...]
    """Empty for Default."""
    limit: LimitVerdict | None
    """Of the file handed over; None for Default."""
    paired: PairedResult
    """The original first, the new file second, then what else was compared."""
    effort: Effort


def run_baseline(executor: StageExecutor, inputs: ProjectInputs, plan: BenchmarkPlan) -> BaselineOutcome:
    """Accuracy of the original on every labelled sample, then its speed."""
    executor.plan([PREPARE, REFERENCE, GRID])
    stages = Bookkeeping(executor)
    samples = _prepare(stages, inputs)
    reference = evaluate(stages, inputs, samples, inputs.model, None, REFERENCE)
    grid = _benchmark(stages, inputs, samples, inputs.model, plan)
    evaluation = from_json(Evaluation, reference.result["evaluation"])
    return BaselineOutcome(MeasuredFile(inputs.model, evaluation, reference.files["predictions.npz"], grid), stages.effort)


def run_optimize(
    executor: StageExecutor,
    inputs: ProjectInputs,
    settings: QuantizationSettings,
    plan: BenchmarkPlan,
    *,
    others: Sequence[tuple[str, Artifact]] = (),
    on_trial: Callable[[Trial, Artifact], None] = lambda _trial, _model: None,
) -> OptimizeOutcome:
    """INT8 Default, or the fastest variant inside the tolerance; then its speed in turns with the original and `others`.

    The paired result names the original "fp32" and the new file "new"; `others` keep their names.
    """
    executor.plan(list(optimize_labels(settings)))
    stages = Bookkeeping(executor)
    samples = _prepare(stages, inputs)
    reference = evaluate(stages, inputs, samples, inputs.model, None, REFERENCE)
    made = _make(stages, inputs, settings, samples, reference, on_trial)
    grid = _benchmark(stages, inputs, samples, made.model, plan)
    twin = [(TWIN, made.twin)] if made.twin else []
    named = [("fp32", inputs.model), ("new", made.model), *twin, *others]
    paired = _paired(stages, inputs, samples, named, plan)
    return OptimizeOutcome(
        optimized=MeasuredFile(
            made.model,
            from_json(Evaluation, made.evaluated.result["evaluation"]),
            made.evaluated.files["predictions.npz"],
            grid,
        ),
        recipe=replace(made.recipe, settings=settings),
        reference=from_json(Evaluation, reference.result["evaluation"]),
        trials=made.trials,
        limit=made.limit,
        paired=paired,
        effort=stages.effort,
    )


@dataclass(frozen=True)
class _Made:
    model: Artifact
    evaluated: StageOutcome
    recipe: Recipe
    twin: Artifact | None = None
    trials: tuple[Trial, ...] = ()
    limit: LimitVerdict | None = None


def _make(
    stages: Bookkeeping,
    inputs: ProjectInputs,
    settings: QuantizationSettings,
    samples: StageOutcome,
    reference: StageOutcome,
    on_trial: Callable[[Trial, Artifact], None],
) -> _Made:
    if settings.precision != "int8":
        return _Made(*_without_calibration(stages, inputs, settings, samples, reference))
    candidates = Candidates(stages, inputs, settings, samples, reference)
    if settings.method == "default":
        return _Made(*candidates.make((), QUANTIZE, COMPARE), candidates.twin)
    trials = candidates.search(on_trial)
    chosen = choose(trials)
    return _Made(*candidates.make(chosen.kept_in_float, QUANTIZE, COMPARE), candidates.twin, trials, chosen.limit)


def _without_calibration(
    stages: Bookkeeping, inputs: ProjectInputs, settings: QuantizationSettings, samples: StageOutcome, reference: StageOutcome
) -> tuple[Artifact, StageOutcome, Recipe]:
    """Dynamic INT8 or FP16 storage: the file, its evaluation, its recipe."""
    files: dict[str, Any] = {"model": inputs.model}
    params = {"settings": to_json(settings), "model_sha256": inputs.model.sha256}
    if settings.precision == "int8-dynamic":
        files["pixels"] = samples.files["pixels.npy"]
        params["preprocessing"] = to_json(inputs.preprocessing)
    stage = {"int8-dynamic": "dynamic", "float16": "half"}[settings.precision]
    made = stages.run(stage, QUANTIZE, files, params)
    model = made.files["model.onnx"]
    evaluated = evaluate(stages, inputs, samples, model, reference.files["predictions.npz"], COMPARE)
    return model, evaluated, from_json(Recipe, made.result["recipe"])


def run_comparison(
    executor: StageExecutor, inputs: ProjectInputs, models: Sequence[tuple[str, Artifact]], plan: BenchmarkPlan
) -> PairedResult:
    """Several files of a project in interleaved slices; the first is the reference."""
    executor.plan([PREPARE, PAIRED])
    stages = Bookkeeping(executor)
    return _paired(stages, inputs, _prepare(stages, inputs), models, plan)


def _prepare(stages: Bookkeeping, inputs: ProjectInputs) -> StageOutcome:
    files = {"index": inputs.index, "pack": inputs.pack}
    return stages.run("prepare", PREPARE, files, {"preprocessing": to_json(inputs.preprocessing)})


def _benchmark(
    stages: Bookkeeping, inputs: ProjectInputs, samples: StageOutcome, model: Artifact, plan: BenchmarkPlan
) -> GridResult:
    outcome = stages.run(
        "benchmark",
        GRID,
        {"model": model, "pixels": samples.files["pixels.npy"]},
        {
            "preprocessing": to_json(inputs.preprocessing),
            "settings": [to_json(setting) for setting in plan.grid],
            "seconds": plan.grid_seconds,
        },
        exclusive=True,
        memo=False,
    )
    return from_json(GridResult, outcome.result["grid"])


def _paired(
    stages: Bookkeeping,
    inputs: ProjectInputs,
    samples: StageOutcome,
    models: Sequence[tuple[str, Artifact]],
    plan: BenchmarkPlan,
) -> PairedResult:
    outcome = stages.run(
        "paired",
        PAIRED,
        {"models": [artifact for _, artifact in models], "pixels": samples.files["pixels.npy"]},
        {
            "names": [name for name, _ in models],
            "preprocessing": to_json(inputs.preprocessing),
            "setting": to_json(plan.paired_setting),
            "seconds": plan.paired_seconds,
        },
        exclusive=True,
        memo=False,
    )
    return from_json(PairedResult, outcome.result["paired"])
