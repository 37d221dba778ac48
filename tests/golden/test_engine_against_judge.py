"""Our FP32 numbers on real networks and photographs against the independent judge, and preflight against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import PRESETS
from app.engine.stages import evaluate, preflight, prepare
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation
from tests.support.indexes import index_of_listing
from tests.support.judge import load_judge
from tests.support.shared import SHARED, needs_shared
from tests.support.stage_runs import stage_context

pytestmark = [pytest.mark.slow, needs_shared]

DATA = SHARED / "data"
MINI = DATA / "MiniImageNet"


@dataclass(frozen=True)
class Case:
    model: str
    right: Preprocessing
    judged_with: str
    output: str
    top1: int
    top5: int
    """Of 100 images, as ASSETS.md says."""

    @property
    def path(self) -> Path:
        return DATA / "models" / f"{self.model}.onnx"


CASES = [
    Case("mobilenet-v2", Preprocessing(224, 224, colour="BGR"), "mobilenet-v2-builtin", "prob", 73, 93),
    Case("squeezenet1.1", PRESETS["caffe"](227, 227, 3, "NCHW"), "caffe-bgr", "prob", 55, 82),
    Case("efficientnet-lite0", PRESETS["efficientnet-lite"](224, 224, 3, "NCHW"), "efficientnet-lite", "logits", 79, 99),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.model)


def evaluated(case: Case, folder: Path, p: Preprocessing, task: ClassificationTask) -> tuple[Evaluation, np.ndarray]:
    """The evaluation of all images of MiniImageNet, and the five best classes of each."""
    context, _ = stage_context(folder)
    prepare.run(prepare.Spec(index_of_listing(MINI, folder / "index.json"), None, p), context)
    spec = evaluate.Spec(case.path, folder / "pixels.npy", folder / "labels.npy", p, task)
    result = evaluate.run(spec, context)
    with np.load(folder / result.predictions_file) as file:
        return result.evaluation, file["top5"]


@every_case
def test_fp32_accuracy_is_the_judges(case: Case, tmp_path: Path) -> None:
    report = load_judge().judge([str(case.path)], str(MINI), case.judged_with, seconds=0, threads=1)
    (judged,) = report["files"]
    evaluation, _ = evaluated(case, tmp_path, case.right, ClassificationTask(case.output, 1000))
    assert (evaluation.n, evaluation.labelled) == (report["samples"], report["labelled"])
    assert abs(evaluation.top1_correct - judged["top1"]) <= 1  # per cent of 100 images = images
    assert abs(evaluation.top5_correct - judged["top5"]) <= 1
    assert (evaluation.top1_correct, evaluation.top5_correct) == (case.top1, case.top5)


@every_case
def test_preflight_finds_a_preprocessing_that_loses_at_most_three_images(case: Case, tmp_path: Path) -> None:
    context, _ = stage_context(tmp_path / "preflight")
    index = index_of_listing(MINI, tmp_path / "index.json")
    found = preflight.run(preflight.Spec(case.path, index, None, seconds=120.0), context)
    chosen = found.candidates[found.chosen]
    assert found.task == ClassificationTask(case.output, 1000, 0)
    assert chosen.preprocessing.colour == case.right.colour
    assert found.samples == 48
    evaluation, top5 = evaluated(case, tmp_path / "evaluate", chosen.preprocessing, found.task)
    assert evaluation.top1_correct >= case.top1 - 3
    for prediction in found.predictions:
        assert prediction.predicted == top5[prediction.sample][0]


@every_case
def test_right_preprocessing_by_hand_is_right_on_the_shown_samples(case: Case, tmp_path: Path) -> None:
    context, _ = stage_context(tmp_path)
    index = index_of_listing(MINI, tmp_path / "index.json")
    checked = preflight.run(preflight.Spec(case.path, index, None, samples=24, seconds=120.0, fixed=case.right), context)
    assert checked.decided == "by-hand"
    assert checked.candidates[0].matches >= 0.4 * 24
    assert checked.task.label_offset == 0
