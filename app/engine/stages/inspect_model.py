"""Stage: what is this model? Judged safe, described, opened once, and kept as one self-contained file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from app.engine.datasets.archive import open_archive
from app.engine.graph.describe import describe
from app.engine.graph.description import ModelDescription
from app.engine.graph.model_io import load_model
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.errors import WorkbenchError

COPY_BYTES = 2**20


@dataclass(frozen=True)
class Spec:
    upload: Path
    filename: str
    folder: Path | None = None
    """Where the model's data files lie beside it (only the command line has such); None: there are none."""


@dataclass(frozen=True)
class Result:
    description: ModelDescription
    model_file: str = "model.onnx"


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: see `load_model`, `describe`; `model.archive` for a zip without exactly one .onnx file;
            `runtime.cannot_open`.
    """
    context.report(Progress(0, 3, "reading the file"))
    if zipfile.is_zipfile(spec.upload):
        folder = context.folder / "unpacked"
        model = load_model(_unpack(spec.upload, folder), external_folder=folder)
    else:
        model = load_model(spec.upload, external_folder=spec.folder)
    target = context.folder / "model.onnx"
    target.write_bytes(model.SerializeToString(deterministic=True))
    context.report(Progress(1, 3, "opening it in onnxruntime"))
    get_runtime("onnxruntime").open(target, optimize=False)
    context.report(Progress(2, 3, "describing it"))
    description = replace(describe(model), size_bytes=target.stat().st_size)
    context.report(Progress(3, 3, f"{description.parameters:,} parameters, opset {description.opset}"))
    return Result(description)


def _unpack(archive: Path, folder: Path) -> Path:
    """Members as plain files in one new folder, by their base names; the path of the only .onnx file."""
    folder.mkdir()
    models: list[Path] = []
    with open_archive(archive) as members:
        for member in members:
            target = folder / member.name.rsplit("/", 1)[-1]
            if target.exists():
                raise WorkbenchError("model.archive", f"Two files in the zip are named {target.name}.", where=member.name)
            with target.open("xb") as file:
                while chunk := member.read(COPY_BYTES):
                    file.write(chunk)
            if target.suffix.lower() == ".onnx":
                models.append(target)
    if len(models) != 1:
        raise WorkbenchError(
            "model.archive",
            f"A zip must hold exactly one .onnx file and its data files, but this one holds {len(models)}.",
            hint="Put one model in each zip.",
        )
    return models[0]
