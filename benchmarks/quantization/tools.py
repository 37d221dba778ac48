"""The judges and the peers of `../shared/bench`, each a process of its own; none imports anything of the product."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.engine.stages.__main__ import yield_the_cores
from benchmarks.quantization.cases import DATA, TOOLS, Case

SPEED_SAMPLES = 2
"""A run of the judge that only times needs few samples."""


@dataclass(frozen=True)
class PeerFile:
    file: str
    peer: str
    seconds: float
    peak_memory_mb: float
    samples: int


@dataclass(frozen=True)
class Accuracy:
    score: float
    """Top-1 in per cent, mAP or mean IoU."""
    agreement: float | None = None
    """Per cent of samples with the class that FP32 gives; classifiers alone, as SQNR."""
    sqnr_db: float | None = None


@dataclass(frozen=True)
class Speed:
    """Against the first file of the same run: ratio of median latencies, 95 % interval."""

    value: float
    low: float
    high: float


def make_peer(python: Path, case: Case, peer: str, images: Path, samples: int, folder: Path) -> PeerFile:
    """`peers.py` says what it took; that line is kept beside the file."""
    command = [python, "-W", "ignore", TOOLS / "peers.py", case.model, "--dataset", images, "--preprocessing", case.judged_with]
    command += ["--peer", peer, "--calibration-samples", samples, "--out", folder]
    line = _run(command, yielding=True).strip().splitlines()[-1]
    (folder / f"{case.name}.{peer}.json").write_text(line + "\n", encoding="utf-8")
    return _peer_file(json.loads(line))


def find_peer(case: Case, peer: str, folder: Path) -> PeerFile | None:
    """What an earlier `make_peer` left in this folder."""
    kept = folder / f"{case.name}.{peer}.json"
    return _peer_file(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else None


def _peer_file(said: dict[str, Any]) -> PeerFile:
    return PeerFile(said["file"], said["peer"], said["seconds"], said["peak_rss_mb"], said["calibration_samples"])


def judge_accuracy(python: Path, case: Case, files: Sequence[str | Path]) -> list[Accuracy]:
    """Of a classifier and its files, on every sample of the judging set; the original first."""
    rows = _judge(python, case, [case.model, *files], ["--seconds", 0])
    return [Accuracy(row["top1"], row["agreement"], next(iter(row["sqnr_db"].values()))) for row in rows]


def judge_speed(python: Path, case: Case, files: Sequence[str | Path], threads: int, seconds: float) -> list[Speed]:
    """Speed-up of each file over the first one, slices in turns."""
    rows = _judge(python, case, files, ["--limit", SPEED_SAMPLES, "--seconds", seconds, "--threads", threads])
    return [Speed(row["speedup"], row["speedup_low"], row["speedup_high"]) for row in rows]


def _judge(python: Path, case: Case, files: Sequence[str | Path], options: Sequence[object]) -> list[dict[str, Any]]:
    command = [python, TOOLS / "judge.py", *files, "--dataset", DATA / case.judged_on, "--preprocessing", case.judged_with]
    rows: list[dict[str, Any]] = json.loads(_run([*command, "--task", case.task, *options, "--json"]))["files"]
    return rows


def judge_score(python: Path, case: Case, files: Sequence[str | Path]) -> list[Accuracy]:
    """mAP or mean IoU of the original, first, and of each file."""
    command = [python, TOOLS / "judge_tasks.py", case.score, case.model, *files, "--dataset", DATA / case.judged_on, "--json"]
    return [Accuracy(row["mIoU" if "mIoU" in row else "mAP"]) for row in json.loads(_run(command))]


def read_versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    code = "import json, sys; from importlib.metadata import version; print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
    versions: dict[str, str] = json.loads(_run([python, "-c", code, *packages]))
    return versions


def _run(command: Sequence[object], *, yielding: bool = False) -> str:
    """Its stdout. `yielding`: at the priority of our stages, so that whatever else runs slows both alike."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=yielding,
        preexec_fn=yield_the_cores if yielding else None,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
