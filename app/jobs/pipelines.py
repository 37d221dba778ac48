"""What a run of each kind does, as a sequence of stages. The worker and the CLI call the same functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.engine.accuracy_aware.search import Trial, ask, choose
from app.engine.accuracy_aware.verdict import LimitVerdict, judge_limit
from app.engine.benchmark.results import GridResult, PairedResult, Setting
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.placement import REVERTED
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.records import from_json, to_json
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation
from app.jobs.executor import Artifact, StageExecutor, StageOutcome

PREPARE, REFERENCE, GRID = "Prepare samples", "FP32 accuracy", "Throughput and latency"
CALIBRATE, FIT, QUANTIZE = "Calibrate", "Round weights, correct biases", "Quantize"
COMPARE, RANK = "Compare with FP32", "Rank layers by harm"
PAIRED = "Measure against FP32"
SEARCH = "Put layers back to FP32"


@dataclass(frozen=True)
class ProjectInputs:
    model: Artifact
    index: Artifact
    pack: Artifact | None
    """None when the index points into a local folder."""
    preprocessing: Preprocessing
    task: ClassificationTask


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
class Effort:
    """What the run cost: seconds by stage label, peak memory over all children."""

    seconds: dict[str, float]
    peak_memory_mb: float


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


class _Bookkeeping:
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


def run_baseline(executor: StageExecutor, inputs: ProjectInputs, plan: BenchmarkPlan) -> BaselineOutcome:
    """Accuracy of the original on every labelled sample, then its speed."""
    executor.plan([PREPARE, REFERENCE, GRID])
    stages = _Bookkeeping(executor)
    samples = _prepare(stages, inputs)
    reference = _evaluate(stages, inputs, samples, inputs.model, None, REFERENCE)
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
    aware = settings.method == "accuracy-aware"
    search = [RANK, SEARCH] if aware else []
    executor.plan([PREPARE, REFERENCE, CALIBRATE, FIT, QUANTIZE, COMPARE, *search, GRID, PAIRED])
    stages = _Bookkeeping(executor)
    samples = _prepare(stages, inputs)
    reference = _evaluate(stages, inputs, samples, inputs.model, None, REFERENCE)
    candidates = _Candidates(stages, inputs, settings, samples, reference)
    if aware:
        trials = candidates.search(on_trial)
        chosen = choose(trials)
        model, evaluated, recipe = candidates.make(chosen.kept_in_float, QUANTIZE, COMPARE)
        limit: LimitVerdict | None = chosen.limit
    else:
        trials, limit = (), None
        model, evaluated, recipe = candidates.make((), QUANTIZE, COMPARE)
    grid = _benchmark(stages, inputs, samples, model, plan)
    named = [("fp32", inputs.model), ("new", model), *others]
    paired = _paired(stages, inputs, samples, named, plan)
    return OptimizeOutcome(
        optimized=MeasuredFile(
            model, from_json(Evaluation, evaluated.result["evaluation"]), evaluated.files["predictions.npz"], grid
        ),
        recipe=replace(recipe, settings=settings),
        reference=candidates.reference,
        trials=trials,
        limit=limit,
        paired=paired,
        effort=stages.effort,
    )


def run_comparison(
    executor: StageExecutor, inputs: ProjectInputs, models: Sequence[tuple[str, Artifact]], plan: BenchmarkPlan
) -> PairedResult:
    """Several files of a project in interleaved slices; the first is the reference."""
    executor.plan([PREPARE, PAIRED])
    stages = _Bookkeeping(executor)
    return _paired(stages, inputs, _prepare(stages, inputs), models, plan)


class _Candidates:
    """Makes and judges INT8 files of one project from one calibration."""

    def __init__(
        self,
        stages: _Bookkeeping,
        inputs: ProjectInputs,
        settings: QuantizationSettings,
        samples: StageOutcome,
        reference: StageOutcome,
    ) -> None:
        self._stages, self._inputs, self._settings, self._samples = stages, inputs, settings, samples
        self._predictions = reference.files["predictions.npz"]
        self.reference = from_json(Evaluation, reference.result["evaluation"])
        self._calibration = stages.run(
            "calibrate",
            CALIBRATE,
            {"model": inputs.model, "pixels": samples.files["pixels.npy"]},
            {"preprocessing": to_json(inputs.preprocessing), "settings": self._for_engine},
        )
        on_samples = {**self._calibrated_files, "pixels": samples.files["pixels.npy"]}
        self._fit = stages.run("fit", FIT, on_samples, self._calibrated_params)

    @property
    def _calibrated_files(self) -> dict[str, Artifact]:
        files = self._calibration.files
        return {"prepared": files["prepared.onnx"], "statistics": files["statistics.npz"]}

    @property
    def _fitted_files(self) -> dict[str, Artifact]:
        return {"graph": self._fit.files["graph.onnx"], "fitted": self._fit.files["fitted.npz"]}

    @property
    def _calibrated_params(self) -> dict[str, Any]:
        return {
            "preprocessing": to_json(self._inputs.preprocessing),
            "settings": self._for_engine,
            "samples": self._calibration.result["samples"],
        }

    @property
    def _for_engine(self) -> dict[str, Any]:
        """The settings that change the bytes of a candidate: the limit does not, so trials are shared between limits."""
        engine_settings = replace(self._settings, method="default", max_drop=0.0, drop_type="absolute")
        return dict(to_json(engine_settings))

    def make(self, keep_float: Sequence[str], quantize: str, compare: str) -> tuple[Artifact, StageOutcome, Recipe]:
        """The file with these nodes in float, its evaluation, its recipe."""
        made = self._stages.run(
            "quantize",
            quantize,
            self._fitted_files,
            {
                "settings": self._for_engine,
                "samples": self._calibration.result["samples"],
                "model_sha256": self._inputs.model.sha256,
                "keep_float": {**dict.fromkeys(keep_float, REVERTED), **self._fit.result["keep_float"]},
            },
        )
        model = made.files["model.onnx"]
        evaluated = _evaluate(self._stages, self._inputs, self._samples, model, self._predictions, compare)
        decided = {key: self._fit.result[key] for key in ("chosen", "candidates")}
        recipe = replace(from_json(Recipe, made.result["recipe"]), details={"weights": decided})
        return model, evaluated, recipe

    def search(self, on_trial: Callable[[Trial, Artifact], None]) -> tuple[Trial, ...]:
        trials = [self._try((), 1, on_trial)]
        if trials[0].kept:
            return tuple(trials)
        ranked = self._rank()
        while (k := ask(trials, len(ranked))) is not None:
            trials.append(self._try(ranked[:k], len(trials) + 1, on_trial))
        return tuple(trials)

    def _rank(self) -> list[str]:
        files = {**self._fitted_files, "pixels": self._samples.files["pixels.npy"]}
        ranked = self._stages.run("rank", RANK, files, self._calibrated_params)
        return [entry["node"] for entry in ranked.result["sensitivities"]]

    def _try(self, keep_float: Sequence[str], number: int, on_trial: Callable[[Trial, Artifact], None]) -> Trial:
        quantize, compare = (QUANTIZE, COMPARE) if number == 1 else (SEARCH, f"Trial {number}")
        model, evaluated, _ = self.make(keep_float, quantize, compare)
        evaluation = from_json(Evaluation, evaluated.result["evaluation"])
        assert evaluation.top1_drop is not None  # there is a reference
        reference_correct = self.reference.n if self.reference.top1_correct is None else self.reference.top1_correct
        limit = judge_limit(evaluation.top1_drop, reference_correct, self._settings.max_drop, self._settings.drop_type)
        trial = Trial(number, tuple(keep_float), evaluation, limit, model.path.stat().st_size)
        on_trial(trial, model)
        return trial


def _prepare(stages: _Bookkeeping, inputs: ProjectInputs) -> StageOutcome:
    files = {"index": inputs.index, "pack": inputs.pack}
    return stages.run("prepare", PREPARE, files, {"preprocessing": to_json(inputs.preprocessing)})


def _evaluate(
    stages: _Bookkeeping, inputs: ProjectInputs, samples: StageOutcome, model: Artifact, reference: Artifact | None, label: str
) -> StageOutcome:
    files = {
        "model": model,
        "pixels": samples.files["pixels.npy"],
        "labels": samples.files["labels.npy"],
        "reference": reference,
    }
    return stages.run("evaluate", label, files, {"preprocessing": to_json(inputs.preprocessing), "task": to_json(inputs.task)})


def _benchmark(
    stages: _Bookkeeping, inputs: ProjectInputs, samples: StageOutcome, model: Artifact, plan: BenchmarkPlan
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
    stages: _Bookkeeping,
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
