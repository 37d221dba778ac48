"""Does a paired comparison say 1 of two equal files, and the same of two different ones every time?

    .venv/bin/python -m benchmarks.paired.measure FP32.onnx INT8.onnx [--repetitions 20]

Compares FP32, a copy of it, and INT8 again and again, as the workbench does it (in turns) and as it is usually done (one file
after the other, each as long), and writes the table into README.md beside this script. Needs an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.benchmark.environment import read_environment
from app.engine.benchmark.feeds import from_shape
from app.engine.benchmark.load import Load, open_sessions
from app.engine.benchmark.paired import measure_paired
from app.engine.benchmark.results import PairedResult, Setting
from app.engine.benchmark.rounds import MIN_ROUNDS, SLICE_SECONDS
from app.engine.runtimes import get_runtime
from benchmarks.readme import write_measured

README = Path(__file__).with_name("README.md")
SECONDS_PER_FILE = MIN_ROUNDS * SLICE_SECONDS


@dataclass(frozen=True)
class Repeated:
    setting: Setting
    paired: list[PairedResult]
    one_by_one: np.ndarray
    """(repetitions, 3) float64: frames per second of FP32, its copy and INT8."""


def measure(models: Sequence[Path], setting: Setting, repetitions: int) -> Repeated:
    runtime, source = get_runtime("onnxruntime"), from_shape()
    names = ("fp32", "copy", "int8")
    paired, one_by_one = [], []
    for number in range(repetitions):
        paired.append(measure_paired(runtime, models, names, source, setting, SECONDS_PER_FILE * len(models)))
        row = []
        for model in models:
            sessions = open_sessions(runtime, model, setting)
            load = Load(sessions, source(sessions[0].inputs, setting.batch), setting)
            row.append(load.run(SECONDS_PER_FILE).throughput_fps)
        one_by_one.append(row)
        copy, int8 = (variant.speedup for variant in paired[-1].variants[1:])
        ratios = f"copy {copy.value:.3f} [{copy.low:.3f}, {copy.high:.3f}], int8 {int8.value:.3f}"
        print(f"{setting} {number + 1}/{repetitions}: {ratios}", flush=True)
    return Repeated(setting, paired, np.array(one_by_one))


def table_row(repeated: Repeated) -> str:
    s, n = repeated.setting, len(repeated.paired)
    copies = [result.variants[1].speedup for result in repeated.paired]
    int8 = [result.variants[2].speedup for result in repeated.paired]
    holds = sum(interval.low <= 1 <= interval.high for interval in copies)
    half = np.median([(interval.high - interval.low) / 2 for interval in copies])
    alone = repeated.one_by_one[:, 1:] / repeated.one_by_one[:, :1]  # (repetitions, 2)
    cells = [
        f"{s.streams} × {s.threads}",
        f"{holds} of {n}",
        f"± {half:.3f}",
        _span([interval.value for interval in copies]),
        _span(alone[:, 0]),
        _span([interval.value for interval in int8]),
        _span(alone[:, 1]),
        f"{sum(p.repeated_rounds for p in repeated.paired)} / {sum(p.disturbed_rounds for p in repeated.paired)}",
    ]
    return f"| {' | '.join(cells)} |"


def _span(values: Sequence[float] | np.ndarray) -> str:
    return f"{min(values):.3f} … {max(values):.3f}"


HEAD = """| streams × threads | A/A: interval holds 1 | its half-width | A/A ratio, in turns | … one by one \
| INT8 speed-up, in turns | … one by one | rounds repeated / still disturbed |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fp32", type=Path)
    parser.add_argument("int8", type=Path)
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    environment = read_environment(get_runtime("onnxruntime"))
    cores = environment.device.cores
    settings = dict.fromkeys([Setting(1, 1, 1), Setting(cores, 1, 1), Setting(1, cores, 1)])
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(arguments.fp32, Path(folder) / "copy.onnx"))
        models = (arguments.fp32, copy, arguments.int8)
        rows = [table_row(measure(models, setting, arguments.repetitions)) for setting in settings]
    device = environment.device
    facts = (
        f"{arguments.fp32.name}, batch 1, {arguments.repetitions} repetitions; {device.cpu}, {cores} cores, {device.runtime} "
        f"{device.version}, load average {environment.load_average:.2f} before and {os.getloadavg()[0]:.2f} after."
    )
    write_measured(README, f"{facts}\n\n{HEAD}\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
