"""Preflight on networks that are right about their images only with one preprocessing, made from `tiny_classifier`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import PRESETS
from app.engine.records import from_json, to_json
from app.engine.stages import preflight
from app.engine.stages.preflight_samples import choose_numbers
from app.engine.stages.samples import Samples
from app.errors import WorkbenchError
from tests.support.archive_builder import tiny_dataset
from tests.support.indexes import index_of_files, index_of_listing, write_index
from tests.support.model_builder import save, tiny_classifier, two_input_classifier
from tests.support.stage_runs import stage_context

UNIT = PRESETS["unit"](32, 32, 3, "NCHW")
N = 60
NAMES = tuple(f"colour {label}" for label in range(10))


def edited(model: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> onnx.ModelProto:
    (value,) = (value for value in model.graph.initializer if value.name == name)
    value.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(value)).astype(np.float32), name))
    return model


def wants_bgr() -> onnx.ModelProto:
    return edited(tiny_classifier(), "conv1_weight", lambda weight: weight[:, ::-1])


def wants_bytes() -> onnx.ModelProto:
    return edited(tiny_classifier(), "conv1_weight", lambda weight: weight / 255)


def with_background() -> onnx.ModelProto:
    """An eleventh class in front that never wins."""
    model = edited(tiny_classifier(), "fc_weight", lambda weight: np.concatenate([0 * weight[:1], weight]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 11
    return edited(model, "fc_bias", lambda bias: np.concatenate([[-50.0], bias]))


def behind(first: Sequence[onnx.NodeProto], kind: int, shape: list[Any]) -> onnx.ModelProto:
    """`tiny_classifier` behind nodes that turn the input `given` into `image`."""
    model = tiny_classifier()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*first, *nodes])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("given", kind, shape))
    return model


def channels_last() -> onnx.ModelProto:
    turn = helper.make_node("Transpose", ["given"], ["image"], perm=[0, 3, 1, 2])
    return behind([turn], TensorProto.FLOAT, ["batch", 32, 32, 3])


def takes_pixels() -> onnx.ModelProto:
    """uint8 input, divided by 255 in the graph."""
    model = behind(
        [
            helper.make_node("Cast", ["given"], ["cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["cast", "unit"], ["image"]),
        ],
        TensorProto.UINT8,
        ["batch", 3, 32, 32],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1 / 255), "unit"))
    return model


def open_shape() -> onnx.ModelProto:
    """Nothing of the shape is fixed: the layout must be tried."""
    model = tiny_classifier(height=None, image_width=None)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", "c", "h", "w"]))
    return model


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return index_of_listing(tiny_dataset(tmp_path / "images", n=N), tmp_path / "index.json", class_names=NAMES)


def check(folder: Path, model: onnx.ModelProto, index: Path, **changes: Any) -> preflight.Result:
    context, reported = stage_context(folder / "out")
    spec = preflight.Spec(save(model, folder / "model.onnx"), index, None, **changes)
    result = preflight.run(spec, context)
    assert reported
    assert from_json(preflight.Result, to_json(result)) == result
    return result


@pytest.mark.parametrize(
    ("model", "colour", "divide_by"),
    [
        (tiny_classifier(), "RGB", 255.0),
        (tiny_classifier(softmax=True), "RGB", 255.0),
        (tiny_classifier(batch=1), "RGB", 255.0),
        (tiny_classifier(batch=7), "RGB", 255.0),
        (tiny_classifier(float16=True), "RGB", 255.0),
        (wants_bgr(), "BGR", 255.0),
        (wants_bytes(), "RGB", 1.0),
        (channels_last(), "RGB", 255.0),
        (takes_pixels(), "RGB", 1.0),
    ],
    ids=["unit", "softmax", "batch-1", "batch-7", "float16", "bgr", "bytes", "channels-last", "uint8"],
)
def test_what_the_model_wants_is_found(
    tmp_path: Path, index: Path, model: onnx.ModelProto, colour: str, divide_by: float
) -> None:
    result = check(tmp_path, model, index)
    chosen = result.candidates[result.chosen]
    assert chosen.preprocessing.colour == colour
    assert chosen.preprocessing.divide_by == (divide_by,) * 3
    assert chosen.preprocessing.mean == (0.0, 0.0, 0.0)
    assert chosen.matches >= 0.9 * chosen.tried
    assert (chosen.tried, result.samples, result.labelled) == (48, 48, True)
    assert (result.task.output, result.task.classes, result.task.label_offset) == ("scores", 10, 0)
    assert chosen.matches == max(candidate.matches for candidate in result.candidates)


def test_predictions_stand_beside_labels_and_pictures(tmp_path: Path, index: Path) -> None:
    result = check(tmp_path, tiny_classifier(), index, samples=12)
    assert len(result.predictions) == len(result.preview_files) == 12
    assert len({prediction.sample for prediction in result.predictions}) == 12
    for prediction in result.predictions:
        assert prediction.label == prediction.sample % 10
        assert prediction.label_name == f"colour {prediction.label}"
        assert prediction.predicted_name == f"colour {prediction.predicted}"
        assert prediction.correct == (prediction.predicted == prediction.label)
        assert 1 >= prediction.score >= prediction.second_score >= 0
        assert prediction.second != prediction.predicted
        with Image.open(tmp_path / "out" / prediction.preview_file) as preview:
            assert preview.format == "JPEG"
            assert max(preview.size) <= 320
    assert sum(prediction.correct is True for prediction in result.predictions) == result.candidates[0].matches


def test_received_tensor_is_described(tmp_path: Path, index: Path) -> None:
    result = check(tmp_path, tiny_classifier(), index, fixed=replace(UNIT, mean=(255.0, 0.0, 0.0)))
    assert result.received.shape == (1, 3, 32, 32)
    assert result.received.dtype == "float32"
    assert -1 <= result.received.minimum < 0 < result.received.maximum <= 1
    red, green, blue = result.received.mean_per_channel
    assert red < 0 < green
    assert blue > 0


def test_label_offset_of_a_background_class_is_found(tmp_path: Path, index: Path) -> None:
    result = check(tmp_path, with_background(), index)
    assert result.task.label_offset == 1
    assert result.candidates[0].matches >= 0.9 * 48
    assert all(prediction.correct == (prediction.predicted == prediction.label) for prediction in result.predictions)


def test_labels_that_count_from_one_are_found(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=N)
    entries = [(f"image_{number:05d}.jpg", number % 10 + 1) for number in range(N)]
    result = check(tmp_path, tiny_classifier(), write_index(tmp_path / "index.json", images, entries))
    assert result.task.label_offset == -1
    assert result.candidates[0].matches >= 0.9 * 48
    assert result.predictions[0].label_name == f"class {result.predictions[0].label}"


def test_label_no_offset_can_place_is_refused_by_name(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=12)
    entries = [(f"image_{number:05d}.jpg", 17 if number == 5 else number % 10) for number in range(12)]
    index = write_index(tmp_path / "index.json", images, entries)
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, tiny_classifier(), index)
    assert (refused.value.code, refused.value.where) == ("evaluation.label_out_of_range", "image_00005.jpg")


def test_given_preprocessing_is_checked_and_nothing_else(tmp_path: Path, index: Path) -> None:
    wrong = replace(UNIT, colour="BGR")
    result = check(tmp_path, tiny_classifier(), index, fixed=wrong, label_offset=0)
    assert [candidate.preprocessing for candidate in result.candidates] == [wrong]
    assert result.decided == "by-hand"
    assert result.candidates[0].description == "BGR, 0 to 1, stretched to 32"


@pytest.mark.parametrize(
    ("fixed", "where"),
    [
        (PRESETS["unit"](64, 32, 3, "NCHW"), "height"),
        (PRESETS["unit"](32, 32, 1, "NCHW"), "colour"),
        (replace(UNIT, layout="NHWC"), "layout"),
    ],
)
def test_given_preprocessing_must_fit_the_model(tmp_path: Path, index: Path, fixed: Preprocessing, where: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, tiny_classifier(), index, fixed=fixed)
    assert (refused.value.code, refused.value.where) == ("preprocessing.does_not_fit", where)


def test_without_labels_the_result_is_a_guess(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=N, labelled="none")
    index = index_of_files(images, tmp_path / "index.json", sorted(path.name for path in images.iterdir()))
    result = check(tmp_path, tiny_classifier(), index)
    assert (result.decided, result.labelled) == ("guess", False)
    assert all(prediction.correct is None and prediction.label is None for prediction in result.predictions)
    assert {candidate.label_offset for candidate in result.candidates} == {0}
    assert all(candidate.matches == 0 for candidate in result.candidates)


def test_open_size_is_asked_for_and_used(tmp_path: Path, index: Path) -> None:
    for model in (tiny_classifier(height=None, image_width=None), open_shape()):
        with pytest.raises(WorkbenchError) as refused:
            check(tmp_path, model, index)
        assert refused.value.code == "preflight.size_needed"
        result = check(tmp_path, model, index, height=32, width=48)
        p = result.candidates[0].preprocessing
        assert (p.height, p.width, p.channels, p.layout) == (32, 48, 3, "NCHW")
        by_hand = check(tmp_path, model, index, fixed=replace(UNIT, height=40))
        assert by_hand.received.shape == (1, 3, 40, 32)


def test_fixed_size_cannot_be_changed(tmp_path: Path, index: Path) -> None:
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, tiny_classifier(), index, height=64)
    assert (refused.value.code, refused.value.where) == ("preflight.size_fixed", "height")


def test_several_inputs_are_named(tmp_path: Path, index: Path) -> None:
    with pytest.raises(WorkbenchError, match="image, bias") as refused:
        check(tmp_path, two_input_classifier(), index)
    assert refused.value.code == "preflight.several_inputs"


def test_model_without_class_scores_is_refused(tmp_path: Path, index: Path) -> None:
    model = tiny_classifier()
    del model.graph.node[-2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("relu3_out", TensorProto.FLOAT, ["batch", 8, 16, 16]))
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, model, index)
    assert refused.value.code == "task.not_scores"


def test_model_of_other_data_is_refused(tmp_path: Path, index: Path) -> None:
    flat = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "flat", [flat], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, model, index)
    assert refused.value.code == "preflight.not_images"


def test_no_time_at_all_still_gives_an_honest_answer(tmp_path: Path, index: Path) -> None:
    result = check(tmp_path, tiny_classifier(), index, seconds=0.0)
    assert result.samples == result.candidates[0].tried == len(result.predictions) == 4
    assert len(result.candidates) == 1
    assert result.decided == "close"


def test_empty_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError) as refused:
        check(tmp_path, tiny_classifier(), write_index(tmp_path / "index.json", tmp_path, []))
    assert refused.value.code == "dataset.empty"


def test_samples_are_labelled_different_and_spread_from_the_first_ones_on(tmp_path: Path) -> None:
    images = tiny_dataset(tmp_path / "images", n=64, classes=64)
    entries = [(f"image_{number:05d}.jpg", None if number % 2 else number) for number in range(64)]
    with Samples(write_index(tmp_path / "index.json", images, entries), None) as samples:
        numbers = choose_numbers(samples, 16)
        assert len(set(numbers)) == 16
        assert all(number % 2 == 0 for number in numbers)
        assert sorted(numbers[:4]) == [0, 16, 32, 48]
        assert len(choose_numbers(samples, 1000)) == 32
