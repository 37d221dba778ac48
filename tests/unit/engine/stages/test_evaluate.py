"""Evaluation of a small network against onnxruntime and numpy used directly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from app.engine.preprocessing.pipeline import Preprocessing, normalize
from app.engine.preprocessing.presets import PRESETS
from app.engine.stages import evaluate
from app.engine.tasks.classification import ClassificationTask
from app.errors import WorkbenchError
from tests.support.model_builder import save, tiny_classifier
from tests.support.palette import class_image
from tests.support.stage_runs import stage_context

UNIT = PRESETS["unit"](32, 32, 3, "NCHW")
TASK = ClassificationTask("scores", 10)
N = 43


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    images = [class_image(number % 10, 10, seed=number, size=(32, 32)) for number in range(N)]
    np.save(tmp_path / "pixels.npy", np.stack([np.asarray(image) for image in images]))
    np.save(tmp_path / "labels.npy", np.arange(N, dtype=np.int64) % 10)
    return tmp_path / "pixels.npy", tmp_path / "labels.npy"


def worse(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with noise on its last weights: it loses some samples."""
    (weight,) = (value for value in model.graph.initializer if value.name == "fc_weight")
    array = onnx.numpy_helper.to_array(weight)
    noise = np.random.default_rng(0).normal(0, 0.25 * np.abs(array).max(), array.shape)
    weight.CopyFrom(onnx.numpy_helper.from_array((array + noise).astype(np.float32), "fc_weight"))
    return model


class Bench:
    """Evaluates models in one folder."""

    def __init__(self, folder: Path, arrays: tuple[Path, Path]) -> None:
        self.folder, (self.pixels, self.labels) = folder, arrays

    def run(
        self, model: onnx.ModelProto, name: str = "a", *, p: Preprocessing = UNIT, task: ClassificationTask = TASK, **changes
    ):
        path = save(model, self.folder / f"{name}.onnx")
        context, reported = stage_context(self.folder / name, changes.pop("threads", 2))
        spec = replace(evaluate.Spec(path, self.pixels, self.labels, p, task), **changes)
        result = evaluate.run(spec, context)
        assert reported[-1].done == reported[-1].total
        with np.load(self.folder / name / result.predictions_file) as file:
            return result.evaluation, dict(file), self.folder / name / result.predictions_file


@pytest.fixture
def bench(tmp_path: Path, arrays: tuple[Path, Path]) -> Bench:
    return Bench(tmp_path, arrays)


def oracle_scores(model: onnx.ModelProto, pixels: Path) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"image": normalize(np.load(pixels), UNIT)})[0]


def test_counts_and_files_equal_numpys(bench: Bench) -> None:
    model = worse(tiny_classifier())
    evaluation, file, _ = bench.run(model)
    scores, labels = oracle_scores(model, bench.pixels), np.load(bench.labels)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(file["top5"], order)
    np.testing.assert_array_equal(file["top1"], order[:, 0])
    np.testing.assert_array_equal(file["correct1"], order[:, 0] == labels)
    np.testing.assert_array_equal(file["correct5"], (order == labels[:, None]).any(axis=1))
    assert file["labelled"].all()
    ordered = np.sort(scores, axis=1)
    np.testing.assert_allclose(file["margin"], ordered[:, -1] - ordered[:, -2], atol=1e-4)
    assert file["top1"].dtype == np.int32
    assert file["margin"].dtype == np.float32
    assert (evaluation.n, evaluation.labelled, evaluation.agreement) == (N, N, N)
    assert evaluation.top1_correct == file["correct1"].sum()
    assert evaluation.top5_correct == file["correct5"].sum()
    assert evaluation.top1 is not None
    assert evaluation.top1.low < evaluation.top1_correct / N < evaluation.top1.high
    assert evaluation.top1_drop is None


@pytest.mark.parametrize("batch", [1, 4, 32])
@pytest.mark.parametrize("threads", [1, 3])
def test_fixed_batch_gives_the_same_predictions(bench: Bench, batch: int, threads: int) -> None:
    _, free, _ = bench.run(tiny_classifier())
    _, fixed, _ = bench.run(tiny_classifier(batch=batch), "fixed", threads=threads)
    np.testing.assert_array_equal(fixed["top5"], free["top5"])
    np.testing.assert_allclose(fixed["margin"], free["margin"], atol=1e-4)


def test_half_precision_model_runs(bench: Bench) -> None:
    evaluation, _, _ = bench.run(tiny_classifier(float16=True))
    assert evaluation.top1_correct is not None
    assert evaluation.top1_correct > 0.9 * N


def test_drop_is_paired_with_the_reference(bench: Bench) -> None:
    _, reference, path = bench.run(tiny_classifier(), "reference")
    evaluation, candidate, _ = bench.run(worse(tiny_classifier()), "candidate", reference=path)
    lost = int((reference["correct1"] & ~candidate["correct1"]).sum())
    gained = int((~reference["correct1"] & candidate["correct1"]).sum())
    assert lost > 0
    assert evaluation.top1_drop is not None
    assert evaluation.top5_drop is not None
    assert (evaluation.top1_drop.lost, evaluation.top1_drop.gained, evaluation.top1_drop.n) == (lost, gained, N)
    assert evaluation.top1_drop.points.value == pytest.approx(100 * (lost - gained) / N)
    assert evaluation.agreement == (reference["top1"] == candidate["top1"]).sum()


def test_only_labelled_samples_count_for_accuracy(bench: Bench) -> None:
    labels = np.load(bench.labels)
    labels[::2] = -1
    np.save(bench.labels, labels)
    _, _, path = bench.run(tiny_classifier(), "reference")
    evaluation, file, _ = bench.run(worse(tiny_classifier()), reference=path)
    labelled = int((labels >= 0).sum())
    assert (evaluation.n, evaluation.labelled) == (N, labelled)
    assert not file["correct1"][::2].any()
    assert evaluation.top1_drop is not None
    assert evaluation.top1_drop.n == labelled


def test_without_labels_a_drop_counts_disagreements(bench: Bench) -> None:
    np.save(bench.labels, np.full(N, -1, np.int64))
    first, reference, path = bench.run(tiny_classifier(), "reference")
    assert (first.top1_correct, first.top1, first.labelled, first.agreement) == (None, None, 0, N)
    evaluation, candidate, _ = bench.run(worse(tiny_classifier()), reference=path)
    disagree = int((reference["top1"] != candidate["top1"]).sum())
    assert evaluation.top1_drop is not None
    assert evaluation.top5_drop is not None
    assert (evaluation.top1_drop.lost, evaluation.top1_drop.gained, evaluation.top1_drop.n) == (disagree, 0, N)
    assert evaluation.top5_drop.lost == (candidate["top5"] != reference["top1"][:, None]).all(axis=1).sum()


def test_label_offset_moves_the_labels(bench: Bench) -> None:
    plain, _, _ = bench.run(tiny_classifier())
    np.save(bench.labels, np.load(bench.labels) + 1)
    moved, _, _ = bench.run(tiny_classifier(), task=replace(TASK, label_offset=-1))
    assert moved.top1_correct == plain.top1_correct


@pytest.mark.parametrize(("label", "offset", "allowed"), [(10, 0, "0 to 9"), (0, -1, "1 to 10"), (9, 1, "0 to 8")])
def test_label_without_a_place_in_the_scores_is_refused(bench: Bench, label: int, offset: int, allowed: str) -> None:
    labels = np.full(N, 5, np.int64)
    labels[7] = label
    np.save(bench.labels, labels)
    with pytest.raises(WorkbenchError, match=allowed) as refused:
        bench.run(tiny_classifier(), task=replace(TASK, label_offset=offset))
    assert (refused.value.code, refused.value.where) == ("evaluation.label_out_of_range", "sample 7")
    assert "offset" in refused.value.hint


def test_task_for_another_number_of_classes_is_refused(bench: Bench) -> None:
    with pytest.raises(WorkbenchError) as refused:
        bench.run(tiny_classifier(), task=replace(TASK, classes=1000))
    assert refused.value.code == "evaluation.classes"


def test_reference_on_other_samples_is_refused(bench: Bench) -> None:
    _, _, path = bench.run(tiny_classifier(), "reference")
    for name in (bench.pixels, bench.labels):
        np.save(name, np.load(name)[:-1])
    with pytest.raises(WorkbenchError) as refused:
        bench.run(tiny_classifier(), reference=path)
    assert refused.value.code == "evaluation.reference_mismatch"


def test_no_samples_are_refused(bench: Bench) -> None:
    for name in (bench.pixels, bench.labels):
        np.save(name, np.load(name)[:0])
    with pytest.raises(WorkbenchError) as refused:
        bench.run(tiny_classifier())
    assert refused.value.code == "evaluation.empty"


def test_preprocessing_of_another_size_is_refused(bench: Bench) -> None:
    np.save(bench.pixels, np.load(bench.pixels)[:, :16])
    with pytest.raises(WorkbenchError) as refused:
        bench.run(tiny_classifier())
    assert refused.value.code == "runtime.run_failed"


def test_same_predictions_are_the_same_bytes(bench: Bench) -> None:
    paths = [bench.run(tiny_classifier(), name, threads=threads)[2] for name, threads in (("one", 1), ("two", 2))]
    assert paths[0].read_bytes() == paths[1].read_bytes()
