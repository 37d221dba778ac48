"""The package: the same bytes each time, and its script gives the engine's answers with nothing of ours installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from app.engine.graph.description import ModelDescription, TensorInfo
from app.engine.preprocessing.pipeline import Preprocessing, geometry, normalize
from app.engine.preprocessing.presets import get_preset
from app.engine.records import read_json
from app.engine.runtimes import get_runtime
from app.engine.tasks.classification import ClassificationTask
from app.services import variants
from app.services.context import Workbench
from app.services.packages import PackageContent, write_package
from tests.support import factories
from tests.support.archive_builder import tiny_dataset
from tests.support.model_builder import tiny_classifier
from tests.support.rows import store_project


def unpack(path: Path, folder: Path) -> set[str]:
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        package.extractall(folder)
        return set(package.namelist())


def test_it_holds_everything_and_is_the_same_each_time(wb: Workbench, tmp_path: Path) -> None:
    project = store_project(wb)
    first, second = (variants.package(wb, project.variant_ids[1]) for _ in range(2))
    assert first.path != second.path
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (first.filename, first.temporary) == ("mobilenet-v2-int8-accuracy-aware.zip", True)
    names = unpack(first.path, tmp_path)
    assert names == {"model.onnx", "preprocessing.json", "recipe.json", "report.html", "run_model.py"}
    download = variants.model_file(wb, project.variant_ids[1])
    assert (tmp_path / "model.onnx").read_bytes() == download.path.read_bytes()
    assert download.filename == "mobilenet-v2-int8-accuracy-aware.onnx"
    assert not download.temporary
    assert json.loads((tmp_path / "recipe.json").read_text())["settings"]["method"] == "accuracy-aware"


def test_the_original_has_no_recipe(wb: Workbench, tmp_path: Path) -> None:
    project = store_project(wb)
    names = unpack(variants.package(wb, project.variant_ids[0]).path, tmp_path)
    assert "recipe.json" not in names


def test_leftovers_of_interrupted_downloads_go(wb: Workbench) -> None:
    project = store_project(wb)
    old = variants.package(wb, project.variant_ids[0]).path
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    fresh = variants.package(wb, project.variant_ids[0]).path
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.parametrize(("batch", "offset"), [(None, 0), (4, 0), (None, 1)])
def test_its_script_answers_as_the_engine_does(tmp_path: Path, batch: int | None, offset: int) -> None:
    model, data = tmp_path / "tiny.onnx", tiny_dataset(tmp_path / "data", n=6, classes=10)
    onnx.save(tiny_classifier(batch=batch), model)
    preprocessing = get_preset("unit", 32, 32, 3, "NCHW")
    described = factories.a_model_description(
        inputs=(TensorInfo("image", "float32", (batch or "batch", 3, 32, 32)),), batch=batch
    )
    package = write_package(
        PackageContent(
            model=model,
            model_description=described,
            preprocessing=preprocessing,
            task=ClassificationTask("scores", 10, offset),
            recipe=None,
            report="<!doctype html>",
            class_names=tuple(f"colour {n}" for n in range(10)),
        ),
        tmp_path / "downloads",
    )
    folder = tmp_path / "elsewhere"
    unpack(package, folder)
    assert read_json(Preprocessing, folder / "preprocessing.json") == preprocessing
    images = sorted(data.glob("*.jpg"))
    # -I: no user site, no PYTHONPATH, not this folder: `app` cannot be imported by accident
    script = [sys.executable, "-I", str(folder / "run_model.py"), *(str(image) for image in images)]
    ran = subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    answers = [int(line.split()[0]) for line in ran.stdout.splitlines()[1::6]]
    assert answers == [top1 - offset for top1 in engine_answers(model, described, preprocessing, images)]
    if not offset:
        assert "colour 0" in ran.stdout


def engine_answers(model: Path, described: ModelDescription, preprocessing: Preprocessing, images: list[Path]) -> list[int]:
    from PIL import Image

    session = get_runtime("onnxruntime").open(model)
    answers = []
    for path in images:
        with Image.open(path) as image:
            pixels = geometry(image, preprocessing)[None]
        x = np.repeat(normalize(pixels, preprocessing), described.batch or 1, axis=0)
        answers.append(int(np.argmax(session.run({"image": x})[0][0])))
    return answers
