"""The article's job on real networks and photographs, judged by a program that shares no code with ours (judge.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.shared import SHARED, needs_shared

pytestmark = [pytest.mark.slow, needs_shared]

MINI = SHARED / "data" / "MiniImageNet"
WORKBENCH = Path(sys.executable).parent / "workbench"


@dataclass(frozen=True)
class Case:
    model: str
    judged_with: str
    preprocessing: str
    """What our command line calls the same; "" when only preflight finds it."""


CASES = [
    Case("mobilenet-v2", "mobilenet-v2-builtin", ""),
    Case("squeezenet1.1", "caffe-bgr", "caffe"),
    Case("efficientnet-lite0", "efficientnet-lite", "efficientnet-lite"),
]
every_model = pytest.mark.parametrize("case", CASES, ids=lambda case: case.model)


def original(case: Case) -> Path:
    return SHARED / "data" / "models" / f"{case.model}.onnx"


def workbench(*arguments: str | Path) -> dict:
    brief = {**os.environ, "WORKBENCH_BENCHMARK_SECONDS": "0.3", "WORKBENCH_PAIRED_SECONDS": "3"}
    done = subprocess.run([WORKBENCH, *map(str, arguments), "--json"], capture_output=True, text=True, check=False, env=brief)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def judge(case: Case, *files: Path, seconds: float = 0) -> list[dict]:
    """Rows of the judge's report, the original first."""
    command = [sys.executable, SHARED / "bench" / "judge.py", original(case), *files, "--dataset", MINI]
    command += ["--preprocessing", case.judged_with, "--seconds", str(seconds), "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["files"]


@every_model
def test_fp32_accuracy_is_the_judges_within_one_image_and_preflight_loses_at_most_three(case, tmp_path):
    (judged,) = judge(case)
    found = workbench("evaluate", original(case), "--dataset", MINI, "--preprocessing", "auto")
    assert 100 * found["accuracy"]["top1"] >= judged["top1"] - 3
    if case.preprocessing:
        same = workbench("evaluate", original(case), "--dataset", MINI, "--preprocessing", case.preprocessing)
        assert abs(100 * same["accuracy"]["top1"] - judged["top1"]) <= 1
        assert abs(100 * same["accuracy"]["top5"] - judged["top5"]) <= 1


@every_model
def test_int8_default_is_small_fast_and_as_accurate_as_it_says(case, tmp_path):
    arguments = ["--dataset", MINI, "--preprocessing", case.preprocessing or "auto", "--method", "default", "--out", tmp_path]
    said = workbench("optimize", original(case), *arguments)
    delivered = tmp_path / "model.onnx"
    judged_original, judged = judge(case, delivered, seconds=2)
    assert delivered.stat().st_size < 0.30 * original(case).stat().st_size
    assert judged["speedup_low"] > 1
    assert said["optimized"]["size_bytes"] == delivered.stat().st_size
    if case.preprocessing:
        assert abs(100 * said["optimized"]["accuracy"]["top1"] - judged["top1"]) <= 1
        assert abs(said["drop"]["value"] - (judged_original["top1"] - judged["top1"])) <= 2
    assert said["tolerance_met"] is None
    assert said["speedup"]["ci95"][0] <= said["speedup"]["value"] <= said["speedup"]["ci95"][1]


@every_model
def test_accuracy_aware_keeps_one_percent_on_the_whole_set_or_says_it_did_not(case, tmp_path):
    arguments = ["--dataset", MINI, "--preprocessing", case.preprocessing or "auto", "--out", tmp_path]
    said = workbench("optimize", original(case), *arguments, "--method", "accuracy-aware", "--max-drop", "1")
    again = workbench(
        "evaluate", tmp_path / "model.onnx", "--dataset", MINI, "--preprocessing", tmp_path / "preprocessing.json"
    )
    assert again["accuracy"]["top1"] == said["optimized"]["accuracy"]["top1"]
    drop = round(100 * (said["baseline"]["accuracy"]["top1"] - again["accuracy"]["top1"]))
    assert said["tolerance_met"] == (drop <= 1)
    assert said["drop"]["value"] == pytest.approx(drop)
