"""What the judges say about the INT8 files of one network: accuracy, size, speed in turns, and that the runtime obeys them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine.datasets.images import decode_image
from app.engine.preprocessing.pipeline import geometry, normalize
from app.engine.quantize.recipe import EffortLevel, QuantizationSettings
from benchmarks.quantization import tools
from benchmarks.quantization.cases import Case
from benchmarks.quantization.integrity import optimized_against_literal
from benchmarks.quantization.ours import Made, load_made, make
from benchmarks.quantization.tools import Accuracy, PeerFile, Speed

EFFORTS: tuple[EffortLevel, ...] = ("default", "fast")
ACCURACY_PEERS = ("ort-minmax", "nncf-per-tensor")
"""The better one of these is the bar for SQNR."""
CLASSIFIER_PEERS, TASK_PEERS = (*ACCURACY_PEERS, "nncf"), ("ort-minmax",)
SUBSET = 300
INTEGRITY_SAMPLES = 4
OPTIMIZED_TWIN = "FP32, same rewrites"


@dataclass(frozen=True)
class Row:
    """One file against FP32. None: not measured for this kind of network."""

    label: str
    ours: bool
    size_ratio: float
    accuracy: Accuracy
    literal_db: float | None
    """Result with all runtime optimizations against that with none."""
    speed: dict[int, Speed]
    """Over FP32, by number of threads."""
    over_peer: dict[int, Speed]
    """Over the fastest peer's file, by number of threads."""


@dataclass(frozen=True)
class CaseRows:
    case: Case
    fp32_score: float
    rows: tuple[Row, ...]
    made: dict[str, Made]
    """Ours, by effort."""

    def row(self, label: str) -> Row | None:
        return next((row for row in self.rows if row.label == label), None)

    @property
    def better_peer_db(self) -> float | None:
        found = [row.accuracy.sqnr_db for row in self.rows if row.label in ACCURACY_PEERS and row.accuracy.sqnr_db is not None]
        return max(found, default=None)


def peers_of(case: Case) -> tuple[str, ...]:
    return TASK_PEERS if case.score else CLASSIFIER_PEERS


def measure_files(case: Case, python: Path, folder: Path, threads: Sequence[int], seconds: float) -> CaseRows:
    """Makes what `folder` does not have yet, then judges everything in the same runs."""
    made: dict[str, Made] = {effort: _ours(case, effort, folder) for effort in EFFORTS}
    peers = [_peer(case, peer, python, folder) for peer in peers_of(case)]
    ours = {f"ours, {effort}": Path(file.file) for effort, file in made.items()}
    twin = {OPTIMIZED_TWIN: Path(made["default"].twin)} if made["default"].twin else {}
    others = {file.peer: Path(file.file) for file in peers}
    named = {**ours, **twin, **others}
    files = list(named.values())
    judged = tools.judge_score(python, case, files) if case.score else tools.judge_accuracy(python, case, files)
    speed = {
        n: dict(zip(named, tools.judge_speed(python, case, [case.model, *files], n, seconds)[1:], strict=True)) for n in threads
    }
    over_peer = {}
    for n in threads:
        fastest = max(others, key=lambda label, n=n: speed[n][label].value)  # type: ignore[misc]
        rated = tools.judge_speed(python, case, [others[fastest], *ours.values()], n, seconds)[1:]
        over_peer[n] = dict(zip(ours, rated, strict=True))
    rows = [
        Row(
            label=label,
            ours=label in ours,
            size_ratio=named[label].stat().st_size / case.model.stat().st_size,
            accuracy=accuracy,
            literal_db=None if label in twin else _literal(case, named[label]),
            speed={n: speed[n][label] for n in threads},
            over_peer={n: over_peer[n][label] for n in threads if label in ours},
        )
        for label, accuracy in zip(named, judged[1:], strict=True)
    ]
    return CaseRows(case, judged[0].score, tuple(rows), made)


def _ours(case: Case, effort: EffortLevel, folder: Path) -> Made:
    target = folder / f"{case.name}.ours-{effort}.onnx"
    if target.with_suffix(".json").exists():
        return load_made(target)
    return make(case, case.images, QuantizationSettings(subset_size=SUBSET, effort=effort), target)


def _peer(case: Case, peer: str, python: Path, folder: Path) -> PeerFile:
    kept = tools.find_peer(case, peer, folder)
    return kept or tools.make_peer(python, case, peer, case.images, SUBSET, folder)


def _literal(case: Case, model: Path) -> float:
    p = case.preprocessing
    names = sorted(path for path in case.images.iterdir() if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    pixels = [geometry(decode_image(path.read_bytes()), p) for path in names[:INTEGRITY_SAMPLES]]
    inputs = [normalize(image[np.newaxis], p) for image in pixels]
    return optimized_against_literal(model, inputs, rows_in_any_order=case.task == "detection")
