"""The command line as its own process: optimize from file to file, stop, serve, demo."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest

from app.services.views import ComparisonView
from tests.support.archive_builder import tiny_dataset
from tests.support.model_builder import tiny_classifier
from tests.support.processes import is_alive, wait_for
from tests.support.shared import ROOT

pytestmark = pytest.mark.slow
QUICK = {"WORKBENCH_BENCHMARK_SECONDS": "0.1", "WORKBENCH_PAIRED_SECONDS": "1"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "app.cli", *(str(argument) for argument in arguments)]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **QUICK, **changes}


def run(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(**changes), capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx.save(tiny_classifier(width=64), tmp_path / "tiny.onnx")
    tiny_dataset(tmp_path / "data", n=60)
    tiny_dataset(tmp_path / "unlabelled", n=20, labelled="none")
    return tmp_path


def optimize(folder: Path, *options: object, dataset: str = "data", out: str = "out") -> dict[str, Any]:
    ran = run("optimize", "tiny.onnx", "--dataset", dataset, "--out", out, *options, "--json", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_optimize_gives_one_object_and_the_files_it_names(folder: Path) -> None:
    answer = optimize(folder, "--preprocessing", "unit", "--subset", 16)
    for part in ("baseline", "optimized"):
        assert set(answer[part]) == {"accuracy", "throughput_fps", "latency_ms", "size_bytes", "file"}
        assert set(answer[part]["accuracy"]) == {"top1", "top5"}
        assert set(answer[part]["latency_ms"]) == {"mean", "p50", "p90", "p95", "p99"}
        assert answer[part]["size_bytes"] == (folder / answer[part]["file"]).stat().st_size
    assert {
        "speedup",
        "drop",
        "tolerance_met",
        "seconds",
        "peak_memory_mb",
        "kept_in_float",
        "preprocessing",
        "agreement",
    } <= set(answer)
    for interval in (answer["speedup"], answer["drop"]):
        assert interval["ci95"][0] <= interval["value"] <= interval["ci95"][1]
    assert answer["tolerance_met"] is None
    assert 0 <= answer["agreement"] <= 1
    assert answer["peak_memory_mb"] > 10
    assert {path.name for path in (folder / "out").iterdir()} == {
        "model.onnx",
        "recipe.json",
        "preprocessing.json",
        "report.html",
    }
    recipe = json.loads((folder / "out" / "recipe.json").read_text())
    assert len(recipe["calibration_samples"]) == 16
    assert len(recipe["model_sha256"]) == 64
    assert json.loads((folder / "out" / "preprocessing.json").read_text()) == answer["preprocessing"]
    onnx.checker.check_model(onnx.load(folder / "out" / "model.onnx"))


def test_the_written_preprocessing_is_taken_again_and_gives_the_same_file(folder: Path) -> None:
    first = optimize(folder, "--preprocessing", "unit", "--subset", 1000)
    assert first["notices"] == ["Calibration uses all 60 samples of the dataset; 1,000 were asked for."]
    second = optimize(folder, "--preprocessing", "out/preprocessing.json", out="again")
    assert second["preprocessing"] == first["preprocessing"]
    assert (folder / "again" / "model.onnx").read_bytes() == (folder / "out" / "model.onnx").read_bytes()


def test_a_tolerance_is_kept_or_said_to_be_missed(folder: Path) -> None:
    answer = optimize(folder, "--method", "accuracy-aware", "--max-drop", "0", "--preprocessing", "unit")
    assert answer["tolerance_met"] is (answer["drop"]["value"] <= 0)


def test_without_labels_there_is_agreement(folder: Path) -> None:
    answer = optimize(folder, "--preprocessing", "unit", dataset="unlabelled")
    assert answer["baseline"]["accuracy"] is None
    assert answer["optimized"]["accuracy"] is None
    assert 0.5 < answer["agreement"] <= 1
    assert "gives the same answer as FP32" in (folder / "out" / "report.html").read_text()


def test_people_get_a_sentence_first(folder: Path) -> None:
    ran = run("optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--preprocessing", "unit", cwd=folder)
    assert ran.returncode == 0
    assert "INT8 Default" in ran.stdout.splitlines()[0]
    # No progress bar without a terminal, only what was changed of what was asked for
    assert ran.stderr == "note: Calibration uses all 60 samples of the dataset; 300 were asked for.\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_takes_the_children_along(folder: Path, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        command("optimize", "tiny.onnx", "--dataset", "data", "--out", "out"),
        cwd=folder,
        env=environment(WORKBENCH_BENCHMARK_SECONDS="60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - ignored when tests run in the background
    )
    children: list[int] = []

    def runs_a_stage() -> bool:
        found = psutil.Process(process.pid).children(recursive=True)
        children[:] = [child.pid for child in found if "app.engine.stages" in child.cmdline()]
        return bool(children)

    wait_for(runs_a_stage, "a stage runs")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert not any(is_alive(child) for child in children)
    assert b"Traceback" not in err
    assert list((folder / "out").iterdir()) == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(served: list[subprocess.Popen[str]], arguments: Sequence[object], data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        command(*arguments), cwd=data.parent, env=environment(WORKBENCH_DATA=str(data)), stdout=subprocess.PIPE, text=True
    )
    served.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, line.split()[2]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def answers(url: str) -> bool:
    try:
        return get(f"{url}/api/v1/health")["status"] == "ok"
    except OSError:
        return False


def test_serve_says_where_and_stops_when_told(served: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process, url = start(served, ["serve", "--port", "0"], tmp_path / "data")
    wait_for(lambda: answers(url), "the server answers")
    wait_for(lambda: get(f"{url}/api/v1/health")["workers_up"] == 1, "its worker is up")
    family = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert family
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not any(is_alive(pid) for pid in family)


def test_a_busy_port_is_told_before_anything_is_touched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = run("serve", "--port", port, cwd=tmp_path, WORKBENCH_DATA=str(tmp_path / "data"))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error: Port {port} is in use by another program")
    assert "[serve.port_busy]" in ran.stderr
    assert not (tmp_path / "data").exists()


def test_the_demo_ends_with_a_comparison_and_is_not_done_twice(served: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = run("demo", "--port", "0", "--exit", cwd=tmp_path, WORKBENCH_DATA=str(data))
    assert first.returncode == 0, first.stderr
    project = first.stdout.splitlines()[-1].split("/projects/")[1].removesuffix("/compare")
    process, url = start(served, ["demo", "--port", "0"], data)
    assert process.stdout is not None
    told = list(iter(process.stdout.readline, f"Comparison: {url}/projects/{project}/compare\n"))
    assert told[0] == "Loading the example\n"
    assert "Baseline\n" not in told
    compared = get(f"{url}/api/v1/projects/{project}/comparison")
    assert {variant["method"] for variant in compared["variants"]} == {"fp32", "int8-default", "int8-accuracy-aware"}
    assert set(compared) == set(ComparisonView.__dataclass_fields__)
    assert np.isfinite(compared["variants"][1]["paired"]["speedup"]["value"])
    runs = get(f"{url}/api/v1/projects/{project}/runs")
    assert sorted(entry["kind"] for entry in runs) == ["baseline", "optimize", "optimize"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, 143)
