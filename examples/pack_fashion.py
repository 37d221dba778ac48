"""Pack the first 1,000 test pictures of Fashion-MNIST as a dataset for the workbench.

    sudo apt install dataset-fashion-mnist
    .venv/bin/python examples/pack_fashion.py examples/fashion/fashion-1000.zip

The archive holds `NNNNN.png` (28 x 28, grey), `val.txt` of `file label` lines and `classes.txt`, one name a line. Names are
sorted, times fixed and pictures stored as they are, so that the same Pillow makes the same bytes.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
from fashion_mnist import CLASSES, DEBIAN_FOLDER, read_split
from PIL import Image

PICTURES = 1000
EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def encode_png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()


def collect_files(data: Path) -> dict[str, bytes]:
    pictures, labels = (values[:PICTURES] for values in read_split(data, "t10k"))
    files = {f"{number:05}.png": encode_png(picture) for number, picture in enumerate(pictures)}
    lines = [f"{name} {label}\n" for name, label in zip(files, labels, strict=True)]
    return {**files, "val.txt": "".join(lines).encode(), "classes.txt": "".join(f"{name}\n" for name in CLASSES).encode()}


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EARLIEST_ZIP_TIME)
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder of the four IDX files")
    arguments = parser.parse_args()
    write_zip(arguments.out, collect_files(arguments.data))
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
