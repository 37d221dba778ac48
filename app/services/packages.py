"""The package around a variant: everything to run it elsewhere, with nothing of the workbench installed."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from app.engine.graph.description import ModelDescription
from app.engine.preprocessing.export import as_python
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import Recipe
from app.engine.records import to_json
from app.engine.tasks.classification import ClassificationTask
from app.storage.ids import new_id

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the same content gives the same bytes."""
STALE_S = 3600
CHUNK_BYTES = 1 << 20

_SCRIPT = '''\
"""Classifies images with model.onnx. Needs: pip install onnxruntime numpy pillow

    python run_model.py image.jpg [more images]
"""

import os
import pathlib
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

{preprocess}

import onnxruntime

FOLDER = pathlib.Path(__file__).parent
OUTPUT = {output!r}
LABEL_OFFSET = {label_offset}  # position in the scores = label + this
BATCH = {batch}  # images per request


def label_names():
    path = FOLDER / "labels.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def classify(session, path, k=5):
    """The k best (label, score) of one image file."""
    x = np.repeat(preprocess(path), BATCH, axis=0)
    scores = session.run([OUTPUT], {{session.get_inputs()[0].name: x}})[0][0].reshape(-1)
    best = np.argsort(-scores, kind="stable")[:k]
    return [(int(position) - LABEL_OFFSET, float(scores[position])) for position in best]


def main(paths):
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    names = label_names()
    for path in paths:
        print(path)
        for label, score in classify(session, path):
            name = names[label] if 0 <= label < len(names) else ""
            print(f"  {{label:5d}}  {{score:10.4f}}  {{name}}".rstrip())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python run_model.py IMAGE [IMAGE ...]")
    main(sys.argv[1:])
'''


@dataclass(frozen=True)
class PackageContent:
    model: Path
    model_description: ModelDescription | None
    preprocessing: Preprocessing
    task: ClassificationTask
    recipe: Recipe | None
    """None for the original."""
    report: str
    class_names: tuple[str, ...]


def write_package(content: PackageContent, folder: Path) -> Path:
    """The zip as a new file in `folder`, from which leftovers of interrupted downloads are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder)
    path = folder / f"{new_id()}.zip"
    try:
        with zipfile.ZipFile(path, "w") as package:
            for name, text in _texts(content).items():
                package.writestr(_entry(name, zipfile.ZIP_DEFLATED), text.encode())
            with content.model.open("rb") as model, package.open(_entry("model.onnx"), "w", force_zip64=True) as entry:
                shutil.copyfileobj(model, entry, CHUNK_BYTES)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def sample_script(preprocessing: Preprocessing, task: ClassificationTask, model: ModelDescription | None) -> str:
    """`run_model.py`: onnxruntime, numpy and Pillow only."""
    dtype = model.inputs[0].dtype if model is not None else "float32"
    return _SCRIPT.format(
        preprocess=as_python(preprocessing, dtype).rstrip(),
        output=task.output,
        label_offset=task.label_offset,
        batch=(model.batch if model is not None else None) or 1,
    )


def _texts(content: PackageContent) -> dict[str, str]:
    texts = {
        "preprocessing.json": _pretty(content.preprocessing),
        "report.html": content.report,
        "run_model.py": sample_script(content.preprocessing, content.task, content.model_description),
    }
    if content.recipe is not None:
        texts["recipe.json"] = _pretty(content.recipe)
    if content.class_names:
        texts["labels.txt"] = "\n".join(content.class_names) + "\n"
    return texts


def _entry(name: str, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    return entry


def _remove_stale(folder: Path) -> None:
    limit = time.time() - STALE_S
    for path in folder.glob("*.zip"):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)


def _pretty(value: Preprocessing | Recipe) -> str:
    return json.dumps(to_json(value), indent=1, ensure_ascii=False) + "\n"
