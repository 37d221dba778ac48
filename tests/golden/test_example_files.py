"""The committed example is what examples/fashion/README.md says."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from tests.support.shared import ROOT

EXAMPLES = ROOT / "examples"
MODEL, ARCHIVE = EXAMPLES / "fashion" / "fashion-cnn.onnx", EXAMPLES / "fashion" / "fashion-1000.zip"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def labelled(files: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray]:
    """(1000, 28, 28) uint8 and (1000,) int64, in the order of val.txt."""
    rows = [line.split() for line in files["val.txt"].decode().splitlines()]
    pictures = [np.asarray(Image.open(io.BytesIO(files[name]))) for name, _ in rows]
    return np.stack(pictures), np.array([int(label) for _, label in rows])


def test_the_example_is_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in (EXAMPLES / "fashion").iterdir()) < MOST_BYTES


def test_the_archive_is_complete_and_has_all_classes(files: dict[str, bytes]) -> None:
    names = files["classes.txt"].decode().splitlines()
    pictures, labels = labelled(files)
    assert len(names) == 10
    assert set(labels) == set(range(10))
    assert pictures.shape == (1000, 28, 28)
    assert len(files) == 1002


def test_the_model_is_plain_fp32_and_as_right_as_the_readme_says(files: dict[str, bytes]) -> None:
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert {node.op_type for node in model.graph.node} == {"Conv", "Relu", "Add", "GlobalAveragePool", "Flatten", "Gemm"}
    pictures, labels = labelled(files)
    session = ort.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    x = np.repeat(pictures[:, None].astype(np.float32) / 255, 3, axis=1)
    right = (session.run(["logits"], {"image": x})[0].argmax(axis=1) == labels).sum()
    assert abs(right - 948) <= 1, "one picture may tip over with another CPU's rounding"


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_archive_is_the_first_thousand_test_pictures(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    import pack_fashion

    pictures, labels = labelled(files)
    expected, expected_labels = pack_fashion.read_split(DEBIAN_FOLDER, "t10k")
    np.testing.assert_array_equal(pictures, expected[:1000])
    np.testing.assert_array_equal(labels, expected_labels[:1000])
    pack_fashion.write_zip(tmp_path / "again.zip", pack_fashion.collect_files(DEBIAN_FOLDER))
    assert (tmp_path / "again.zip").read_bytes() == ARCHIVE.read_bytes()
