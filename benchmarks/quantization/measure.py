"""Our INT8 files against those of onnxruntime.quantization and NNCF: accuracy, speed, time, memory.

    .venv/bin/python -m benchmarks.quantization.measure --peers-python VENV/bin/python
        [--models NAME ...] [--parts files jobs memory] [--seconds 6] [--out DIR]

VENV has what `../shared/bench/requirements.txt` lists; the product needs none of it. Files that DIR already has are not made
again, so a folder of its own makes a run of its own. Tables go to stdout; once DIR has those of all parts and networks,
they also go into README.md beside this script. Needs an otherwise idle machine: ratios are taken in turns, seconds are not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports onnxruntime

from app.engine.runtimes.device import read_device
from benchmarks.quantization import tables, tools
from benchmarks.quantization.cases import CASES, Case
from benchmarks.quantization.files import CaseRows, measure_files
from benchmarks.quantization.jobs import measure_jobs, measure_memory
from benchmarks.readme import describe_machine, write_measured

README = Path(__file__).with_name("README.md")
PARTS = ("files", "jobs", "memory")
PACKAGES = ("onnxruntime", "onnx", "nncf")
MEMORY_CASE, MEMORY_COUNTS = "mobilenet-v2", (300, 3000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", type=Path, required=True, metavar="PATH")
    parser.add_argument("--models", nargs="+", choices=[case.name for case in CASES], default=[case.name for case in CASES])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=6.0, help="timing per file and number of threads")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keeps the files; default: a temporary folder")
    arguments = parser.parse_args()
    chosen = [case for case in CASES if case.name in arguments.models]
    threads = tuple(dict.fromkeys((1, read_device().cores)))
    with tempfile.TemporaryDirectory(prefix="quantization-") as temporary:
        folder = (arguments.out or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for part in arguments.parts:
            facts = describe(arguments.peers_python)
            sections = measure(part, chosen, arguments.peers_python, folder, threads, arguments.seconds)
            text = "\n\n".join([*sections, f"{facts} Load average after: {os.getloadavg()[0]:.1f}."])
            print(text, flush=True)
            if len(chosen) == len(CASES):
                kept(folder, part).write_text(text, encoding="utf-8")
        if all(kept(folder, part).exists() for part in PARTS):
            write_measured(README, "\n\n".join(kept(folder, part).read_text(encoding="utf-8") for part in PARTS))


def kept(folder: Path, part: str) -> Path:
    return folder / f"measured-{part}.md"


def describe(python: Path) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in tools.read_versions(python, PACKAGES).items())
    instructions = ", ".join(read_device().instruction_sets)
    return f"{describe_machine()}; {instructions}; {versions}."


def measure(part: str, chosen: Sequence[Case], python: Path, folder: Path, threads: Sequence[int], seconds: float) -> list[str]:
    if part == "files":
        found = []
        for case in chosen:
            found.append(measure_files(case, python, folder, threads, seconds))
            print(f"{case.name}: files judged", file=sys.stderr, flush=True)
        return file_sections(found, threads)
    if part == "jobs":
        timed = [measure_jobs(case, python, folder) for case in chosen]
        return ["### Time and memory of the whole job", tables.jobs(timed)]
    (case,) = (case for case in CASES if case.name == MEMORY_CASE)
    needed = measure_memory(case, folder, MEMORY_COUNTS)
    return ["### Memory and the number of samples", tables.memory(case.name, needed, case.model.stat().st_size)]


def file_sections(found: Sequence[CaseRows], threads: Sequence[int]) -> list[str]:
    sections = ["### Geometric means", tables.summary(found, threads)]
    top1, scored = ([rows for rows in found if bool(rows.case.score) == with_score] for with_score in (False, True))
    if top1:
        sections += ["### Classifiers", tables.mean_gain(top1), tables.classifiers(top1, threads)]
    if scored:
        sections += ["### Detectors and segmentation", tables.tasks(scored, threads)]
    return [*sections, "### What runs in integers", tables.kernels(found)]


if __name__ == "__main__":
    main()
