"""Small datasets for tests: coloured images whose class is decidable (see `tests.support.palette`), as folder or archive."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from tests.support.palette import class_image

Labelled = Literal["list", "folders", "none"]
TAR_MODES = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}


def tiny_dataset(
    target: Path,
    n: int = 20,
    classes: int = 10,
    labelled: Labelled = "list",
    *,
    seed: int = 0,
    inside: str = "",
    class_names: bool = False,
) -> Path:
    """Writes `n` JPEG images of classes 0, 1, … `classes`-1, 0, … and gives `target` back.

    Args:
        target: A folder to make, or an archive: `.zip`, `.tar`, `.tar.gz`, `.tgz`, `.tar.bz2`, `.tar.xz`.
        labelled: `list`: images beside a `val.txt` of `file label` lines; `folders`: one folder per class, named
            `class_00`, …; `none`: only images.
        inside: Puts everything one folder deeper, as zipping a folder does.
        class_names: Adds `classes.txt` with one name a line (`list` only).
    """
    files = _files(n, classes, labelled, seed)
    if class_names:
        files["classes.txt"] = "".join(f"colour {label}\n" for label in range(classes)).encode()
    if inside:
        files = {f"{inside}/{name}": data for name, data in files.items()}
    if target.suffix == ".zip":
        return write_zip(target, files)
    if target.suffix in TAR_MODES:
        return write_tar(target, files)
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return target


def write_zip(target: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return target


def write_tar(target: Path, files: dict[str, bytes]) -> Path:
    mode = TAR_MODES[target.suffix]
    with tarfile.open(target, mode) as out:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return target


def label_of(number: int, classes: int) -> int:
    return number % classes


def _files(n: int, classes: int, labelled: Labelled, seed: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    lines = []
    for number in range(n):
        label = label_of(number, classes)
        name = f"image_{number:05d}.jpg"
        folder = f"class_{label:02d}/" if labelled == "folders" else ""
        files[folder + name] = _encoded(label, classes, seed * 1_000_003 + number)
        lines.append(f"{name} {label}\n")
    if labelled == "list":
        files["val.txt"] = "".join(lines).encode()
    return files


def _encoded(label: int, classes: int, seed: int) -> bytes:
    height, width = np.random.default_rng(seed).integers(40, 57, 2)
    out = io.BytesIO()
    class_image(label, classes, seed, (int(height), int(width))).save(out, "JPEG", quality=95)
    return out.getvalue()
