"""Dataset indexes for tests of later stages, written without the inspection stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from app.engine.datasets.description import DatasetIndex, Sample
from app.engine.records import write_json


def index_of_listing(folder: Path, target: Path, *, class_names: Sequence[str] = (), limit: int | None = None) -> Path:
    """An index of `folder` by its `val.txt` of `file label` lines, as the CLI has one of a local folder."""
    lines = [line.split() for line in (folder / "val.txt").read_text().splitlines() if line.strip()][:limit]
    return write_index(target, folder, [(name, int(label)) for name, label in lines], class_names)


def index_of_files(folder: Path, target: Path, names: Sequence[str]) -> Path:
    """An index of images without labels."""
    return write_index(target, folder, [(name, None) for name in names])


def write_index(target: Path, folder: Path, entries: Sequence[tuple[str, int | None]], class_names: Sequence[str] = ()) -> Path:
    samples = []
    for name, label in entries:
        with Image.open(folder / name) as image:
            samples.append(Sample(name, label, image.width, image.height, path=name))
    write_json(target, DatasetIndex(tuple(samples), tuple(class_names), str(folder)))
    return target


def packed_index(folder: Path, entries: Sequence[tuple[str, int | None]], index: Path, pack: Path) -> None:
    """An index and a pack of the encoded bytes of these files, as the inspection of an archive writes them."""
    samples, offset = [], 0
    with pack.open("wb") as out:
        for name, label in entries:
            data = (folder / name).read_bytes()
            with Image.open(folder / name) as image:
                samples.append(Sample(name, label, image.width, image.height, offset, len(data)))
            out.write(data)
            offset += len(data)
    write_json(index, DatasetIndex(tuple(samples)))
