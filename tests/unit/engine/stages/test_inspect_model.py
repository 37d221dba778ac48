"""The inspection of an upload: a file, or a zip with its external data."""

from __future__ import annotations

import math

import onnx
import pytest

from app.engine.stages.context import StageContext
from app.engine.stages.inspect_model import Result, Spec, run
from app.errors import WorkbenchError
from tests.support.archive_builder import write_zip
from tests.support.model_builder import save, save_with_external_data, tiny_classifier, zip_folder


def inspect(upload, folder) -> Result:
    folder.mkdir()
    return run(Spec(upload, upload.name), StageContext(folder, lambda _: None, 1))


def test_plain_file_is_kept_and_described(tmp_path):
    result = inspect(save(tiny_classifier(), tmp_path / "m.onnx"), tmp_path / "out")
    kept = tmp_path / "out" / result.model_file
    onnx.checker.check_model(str(kept))
    assert result.description.size_bytes == kept.stat().st_size
    assert result.description.classes == 10


def test_zip_with_external_data_becomes_one_file(tmp_path):
    path = save_with_external_data(tiny_classifier(), tmp_path / "m")
    result = inspect(zip_folder(path.parent, tmp_path / "m.zip"), tmp_path / "out")
    kept = onnx.load(tmp_path / "out" / result.model_file, load_external_data=False)
    assert not any(tensor.external_data for tensor in kept.graph.initializer)
    assert result.description.parameters == sum(math.prod(tensor.dims) for tensor in kept.graph.initializer)


@pytest.mark.parametrize("names", [(), ("a.onnx", "b.onnx")])
def test_zip_needs_exactly_one_model(tmp_path, names):
    model = tiny_classifier().SerializeToString()
    upload = write_zip(tmp_path / "m.zip", {"readme.txt": b"hello", **dict.fromkeys(names, model)})
    with pytest.raises(WorkbenchError) as refused:
        inspect(upload, tmp_path / "out")
    assert refused.value.code == "model.archive"


def test_zip_without_its_data_file_says_which_is_missing(tmp_path):
    path = save_with_external_data(tiny_classifier(), tmp_path / "m")
    (path.parent / "model.data").unlink()
    with pytest.raises(WorkbenchError, match=r"model\.data") as refused:
        inspect(zip_folder(path.parent, tmp_path / "m.zip"), tmp_path / "out")
    assert refused.value.code == "model.external_data_missing"


def test_what_the_runtime_cannot_open_is_said_in_its_words(tmp_path):
    model = tiny_classifier()
    model.graph.node[0].attribute[0].name = "kernel_shapes"
    with pytest.raises(WorkbenchError) as refused:
        inspect(save(model, tmp_path / "m.onnx"), tmp_path / "out")
    assert refused.value.code == "runtime.cannot_open"
    assert str(tmp_path) not in refused.value.message
