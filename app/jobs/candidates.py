"""Makes and judges INT8 files of one project: one calibration, one fit, one choice by speed, then any placement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from app.engine.accuracy_aware.search import Trial, ask
from app.engine.accuracy_aware.verdict import judge_limit
from app.engine.quantize.placement import REVERTED
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.records import from_json, to_json
from app.engine.runtimes.device import fingerprint
from app.engine.tasks.results import Evaluation
from app.jobs.bookkeeping import Bookkeeping, ProjectInputs, evaluate
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.labels import CALIBRATE, COMPARE, FIT, QUANTIZE, RANK, SEARCH, TUNE, is_tuned


class Candidates:
    """
    Args:
        samples: Outcome of `prepare`.
        reference: Outcome of `evaluate` for the original.
    """

    def __init__(
        self,
        stages: Bookkeeping,
        inputs: ProjectInputs,
        settings: QuantizationSettings,
        samples: StageOutcome,
        reference: StageOutcome,
    ) -> None:
        self._stages, self._inputs, self._settings, self._samples = stages, inputs, settings, samples
        self._predictions = reference.files["predictions.npz"]
        self._reference = from_json(Evaluation, reference.result["evaluation"])
        self._calibration = self._run("calibrate", CALIBRATE, {"model": inputs.model}, {"settings": self._for_engine})
        files = self._calibration.files
        calibrated = {"prepared": files["prepared.onnx"], "statistics": files["statistics.npz"]}
        self._fit = self._run("fit", FIT, calibrated, {"settings": self._for_engine, "samples": self._numbers})
        self._kept: dict[str, str] = self._fit.result["keep_float"]
        self._speed: dict[str, Any] | None = self._tuned() if is_tuned(settings) else None

    @property
    def twin(self) -> Artifact | None:
        """FP32 with the exact rewrites that the INT8 files have; None when there were none."""
        exact = [rewrite for rewrite in self._calibration.result["rewrites"] if rewrite["exact"]]
        return self._calibration.files["float_twin.onnx"] if exact else None

    def make(self, keep_float: Sequence[str], quantize: str, compare: str) -> tuple[Artifact, StageOutcome, Recipe]:
        """The file with these nodes in float besides those that are anyway; its evaluation; its recipe."""
        made = self._stages.run(
            "quantize",
            quantize,
            self._fitted_files,
            {
                "settings": self._for_engine,
                "samples": self._numbers,
                "model_sha256": self._inputs.model.sha256,
                "keep_float": {**dict.fromkeys(keep_float, REVERTED), **self._kept},
                "layouts": self._speed["layouts"] if self._speed else [],
            },
        )
        model = made.files["model.onnx"]
        evaluated = evaluate(self._stages, self._inputs, self._samples, model, self._predictions, compare)
        return model, evaluated, self._recipe(made)

    def search(self, on_trial: Callable[[Trial, Artifact], None]) -> tuple[Trial, ...]:
        """Trials with more and more of the harmful groups in float until the limit is kept."""
        trials = [self._try((), 1, on_trial)]
        if trials[0].kept:
            return tuple(trials)
        ranked = self._rank()
        while (k := ask(trials, len(ranked))) is not None:
            trials.append(self._try(ranked[:k], len(trials) + 1, on_trial))
        return tuple(trials)

    def _tuned(self) -> dict[str, Any]:
        params = {"samples": self._numbers, "keep_float": self._kept, "device": fingerprint()}
        tuned = self._run("tune", TUNE, self._fitted_files, params, exclusive=True)
        self._kept = tuned.result["keep_float"]
        return dict(tuned.result)

    def _recipe(self, made: StageOutcome) -> Recipe:
        fit = self._fit.result
        details = {"weights": {key: fit[key] for key in ("chosen", "candidates", "sqnr_db")}}
        if self._speed:
            details["speed"] = {key: self._speed[key] for key in ("layouts", "moves", "speedup", "faster", "reasons")}
        told = {**made.result["recipe"], "rewrites": self._calibration.result["rewrites"], "noise": fit["noise"]}
        return from_json(Recipe, {**told, "details": {**told["details"], **details}})

    def _rank(self) -> list[str]:
        params = {"settings": self._for_engine, "samples": self._numbers, "keep_float": self._kept}
        ranked = self._run("rank", RANK, self._fitted_files, params)
        return [entry["node"] for entry in ranked.result["sensitivities"]]

    def _try(self, keep_float: Sequence[str], number: int, on_trial: Callable[[Trial, Artifact], None]) -> Trial:
        quantize, compare = (QUANTIZE, COMPARE) if number == 1 else (SEARCH, f"Trial {number}")
        model, evaluated, _ = self.make(keep_float, quantize, compare)
        evaluation = from_json(Evaluation, evaluated.result["evaluation"])
        assert evaluation.top1_drop is not None  # there is a reference
        reference = self._reference
        reference_correct = reference.n if reference.top1_correct is None else reference.top1_correct
        limit = judge_limit(evaluation.top1_drop, reference_correct, self._settings.max_drop, self._settings.drop_type)
        trial = Trial(number, tuple(keep_float), evaluation, limit, model.path.stat().st_size)
        on_trial(trial, model)
        return trial

    @property
    def _numbers(self) -> list[int]:
        return list(self._calibration.result["samples"])

    @property
    def _fitted_files(self) -> dict[str, Artifact]:
        return {"graph": self._fit.files["graph.onnx"], "fitted": self._fit.files["fitted.npz"]}

    @property
    def _for_engine(self) -> dict[str, Any]:
        """The settings that change the bytes of a candidate: the limit does not, so trials are shared between limits."""
        engine_settings = replace(self._settings, method="default", max_drop=0.0, drop_type="absolute")
        return dict(to_json(engine_settings))

    def _run(self, stage: str, label: str, files: dict[str, Artifact], params: dict[str, Any], **options: Any) -> StageOutcome:
        """A stage that sees the samples."""
        seeing = {**files, "pixels": self._samples.files["pixels.npy"]}
        return self._stages.run(
            stage, label, seeing, {**params, "preprocessing": to_json(self._inputs.preprocessing)}, **options
        )
