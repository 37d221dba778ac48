"""Commands that look at files: one JSON object on stdout, and words for people."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from app.services.context import open_workbench
from app.settings import Settings
from app.storage.migration import migrate
from tests.support.archive_builder import tiny_dataset
from tests.support.command import Workbench
from tests.support.model_builder import tiny_classifier
from tests.support.rows import store_blob


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(tiny_classifier(), tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_inspect(workbench: Workbench, model: Path) -> None:
    described = json.loads(workbench("inspect", model, "--json").out)
    assert described["file"] == str(model)
    assert described["parameters"] == 1482
    assert described["operators"]["Conv"] == 3
    assert (described["height"], described["classes"], described["precision"]) == (32, 10, "float32")
    said = workbench("inspect", model)
    assert (said.code, said.err) == (0, "")
    assert "image: float32, batch × 3 × 32 × 32" in said.out


def test_inspect_finds_the_data_file_beside_a_model(workbench: Workbench, tmp_path: Path) -> None:
    settings = {"save_as_external_data": True, "location": "tiny.data", "size_threshold": 0}
    onnx.save(tiny_classifier(), tmp_path / "split.onnx", **settings)
    assert json.loads(workbench("inspect", tmp_path / "split.onnx", "--json").out)["parameters"] == 1482
    (tmp_path / "tiny.data").unlink()
    refused = workbench("inspect", tmp_path / "split.onnx")
    assert refused.code == 2
    assert "tiny.data" in refused.err


@pytest.mark.parametrize("preprocessing", ["unit", pytest.param("auto", marks=pytest.mark.slow)])
def test_evaluate(workbench: Workbench, model: Path, tmp_path: Path, preprocessing: str) -> None:
    data = tiny_dataset(tmp_path / "data", n=40)
    ran = workbench("evaluate", model, "--dataset", data, "--preprocessing", preprocessing, "--json")
    assert ran.err == ""
    answer = json.loads(ran.out)
    assert answer["accuracy"]["top1"] >= 0.95  # the network is fitted to these colours
    assert (answer["n"], answer["labelled"]) == (40, 40)
    assert answer["preprocessing"]["divide_by"] == [255.0, 255.0, 255.0]
    low, high = answer["top1_ci95"]
    assert low <= answer["accuracy"]["top1"] <= high


@pytest.mark.slow
def test_evaluate_without_labels_has_no_accuracy(workbench: Workbench, model: Path, tmp_path: Path) -> None:
    data = tiny_dataset(tmp_path / "data", n=8, labelled="none")
    answer = json.loads(workbench("evaluate", model, "--dataset", data, "--preprocessing", "unit", "--json").out)
    assert answer["accuracy"] is None
    assert (answer["n"], answer["labelled"]) == (8, 0)


@pytest.mark.slow
def test_benchmark_of_two(workbench: Workbench, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    onnx.save(tiny_classifier(width=16), other)
    arguments = ("benchmark", model, other, "--streams", "1", "--batch", "1,2", "--seconds", "0.05")
    answer = json.loads(workbench(*arguments, "--json").out)
    assert [entry["file"] for entry in answer["models"]] == [str(model), str(other)]
    assert [(cell["streams"], cell["batch"]) for cell in answer["models"][0]["cells"]] == [(1, 1), (1, 2)]
    cell = answer["models"][0]["cells"][0]
    assert cell["throughput_fps"] > 0
    assert set(cell["latency_ms"]) == {"mean", "p50", "p90", "p95", "p99"}
    assert [pair["batch"] for pair in answer["comparisons"]] == [1, 2]
    reference, second = answer["comparisons"][0]["models"]
    assert reference["speedup"]["value"] == 1.0
    assert second["speedup"]["ci95"][0] <= second["speedup"]["value"] <= second["speedup"]["ci95"][1]


def test_verify_finds_what_is_missing_and_what_is_damaged(
    workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    migrate(settings)
    wb = open_workbench(settings)
    good, damaged, missing = (store_blob(wb, content) for content in (b"good", b"damaged", b"missing"))
    wb.close()
    assert json.loads(workbench("verify", "--json").out) == {
        "ok": True, "checked": 3, "missing": [], "wrong": [], "extra": [],
    }  # fmt: skip
    wb.blobs.path(damaged).chmod(0o600)
    wb.blobs.path(damaged).write_bytes(b"DAMAGED")
    wb.blobs.path(missing).unlink()
    ran = workbench("verify", "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == {"ok": False, "checked": 3, "missing": [missing], "wrong": [damaged], "extra": []}
    said = workbench("verify")
    assert said.code == 1
    assert f"damaged: {damaged}" in said.out
    assert good not in said.out
    # The same length: only reading every byte finds it
    assert json.loads(workbench("verify", "--quick", "--json").out)["wrong"] == []
