"""Every input of shared/hostile through the real child: the kind of answer MEASURED.md asks for, in time, with nothing leaked.

Models there are mostly no image classifiers. Those that MEASURED.md accepts must reach the last check, the image input, and
fail at nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.errors import WorkbenchError
from app.jobs.child import ChildResult, Limits, run_child
from tests.support.shared import SHARED, needs_shared

pytestmark = [pytest.mark.slow, needs_shared]

MAKER = SHARED / "hostile" / "make_hostile.py"
SECRET = b"TOP-SECRET"
LIMITS = Limits(memory_bytes=2 * 2**30, cpu_seconds=12, wall_seconds=20, threads=1)

MODELS = {
    "model.empty": "01_empty",
    "model.not_onnx": "02_noise 04_html 05_pickle 06_ortm 77_deep_unknown",
    "model.truncated": "03_cut",
    "model.external_data_outside": "10_ext_abs 11_ext_up 12_ext_nested 20_ext_memaddr 22_ext_url",
    "model.external_data_missing": "13_ext_symlink 14_ext_dirlink 15_ext_hardlink 16_ext_fifo 17_ext_zero "
    "18_ext_long 19_ext_neg",
    "model.invalid": "21_ext_setattr 32_dims_neg 33_rank_1m",
    "model.too_complex": "49_tower30 50_self 52_deep_raw",
    "model.custom_ops": "72_custom 81_ctx",
    "model.opset_unsupported": "73_opset999 74_ir999",
    "runtime.cannot_open": "30_dims_huge 31_dims_wrap 34_raw_short 60_div0 62_mod0 64_stride0 65_tree_cycle 66_svm 68_topk "
    "69_einsum 70_cycle 71_dup 78_two_graphs",
    "stage.crashed": "82_gathernd",
    "stage.timeout": "85_einsum",
    "accepted": "47_resize 57_conv_work 63_group0",
}
"""Code -> files. All others get as far as the image input, and are no image classifiers."""
ARCHIVES = {
    "accepted": "ok.zip ok.tar.gz case.zip",
    "dataset.not_archive": "zero.zip",
    "dataset.truncated_archive": "cut.zip cut.tar.gz lie.zip",
    "dataset.empty": "bomb_1g.zip count65k.zip",  # one image over the limit of one image; 65,536 images of 0 bytes
    "archive.unsafe_name": "slip.zip slip.tar abs.tar backslash.zip nul.zip names.zip quine_name.zip longname.tar",
    "archive.links": "symlink.zip symlink.tar symlink_etc.tar hardlink.tar hard_in_sym.tar overlong.tar device.tar fifo.tar",
    "archive.duplicate_name": "twice.zip fileisdir.zip",
    "archive.overlap": "overlap.zip polyglot.zip",
    "archive.encrypted": "encrypted.zip",
    "archive.method": "lzma.zip",
    "archive.nested": "nested.zip",
    "archive.bomb": "bomb.tar.gz",
    "archive.too_large": "sparse_claim.tar",
}
UNREADABLE_IMAGES = {
    *("zero.png", "cut.png", "huge_header.png", "huge_real.png", "under_limit.png", "text_bomb.png", "svg.png", "eps.jpg"),
    *("cmyk.tiff", "claim.tiff"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "inputs"
    subprocess.run([sys.executable, str(MAKER), str(folder)], check=True, capture_output=True, timeout=120)
    return folder


def by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: code for code, names in table.items() for name in names.split()}


def names_in(room: str, hostile: Path) -> list[str]:
    return [key.partition("/")[2] for key in json.loads((hostile / "manifest.json").read_text()) if key.startswith(f"{room}/")]


def inspect(stage: str, upload: Path, folder: Path) -> tuple[str, ChildResult | WorkbenchError]:
    """("accepted" or the refusal's code, all of the answer), after the checks that hold for every input."""
    folder.mkdir()
    answer: ChildResult | WorkbenchError
    try:
        answer = run_child(stage, {"upload": str(upload), "filename": upload.name}, folder, limits=LIMITS)
    except WorkbenchError as error:
        answer = error
    text = json.dumps(answer.as_dict() if isinstance(answer, WorkbenchError) else answer.result)
    written = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert SECRET.decode() not in text
    assert not [path.name for path in written if SECRET in path.read_bytes()]
    assert str(folder) not in text
    assert "Traceback" not in text
    code = answer.code if isinstance(answer, WorkbenchError) else "accepted"
    assert code != "stage.failed", "a mistake of ours, not of the file"
    return code, answer


def test_models(hostile: Path, tmp_path: Path) -> None:
    expected, names = by_name(MODELS), [name.removesuffix(".onnx") for name in names_in("models", hostile)]
    assert set(expected) <= set(names)
    found = {name: inspect("inspect_model", hostile / "models" / f"{name}.onnx", tmp_path / name)[0] for name in names}
    assert found == {name: expected.get(name, "model.no_image_input") for name in names}


def test_external_data_that_came_along_is_still_bounded(hostile: Path, tmp_path: Path) -> None:
    """The same references, now with a file of that name in the zip."""
    expected = {"18_ext_long": "model.external_data_missing", "19_ext_neg": "model.external_data_missing"}
    for name, code in (expected | {"21_ext_setattr": "model.invalid", "15_ext_hardlink": "model.no_image_input"}).items():
        upload = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(upload, "w") as out:
            out.write(hostile / "models" / f"{name}.onnx", "model.onnx")
            out.writestr("side.bin", bytes(32))
            out.writestr("hard.bin", bytes(32))  # the zip's own: the link outside is another file
        assert inspect("inspect_model", upload, tmp_path / name)[0] == code


def test_archives(hostile: Path, tmp_path: Path) -> None:
    names = names_in("archives", hostile)
    found = {name: inspect("inspect_dataset", hostile / "archives" / name, tmp_path / name)[0] for name in names}
    assert found == by_name(ARCHIVES)
    assert not {path.name for path in tmp_path.rglob("*")} & {"slipped.png", "up.png", "win.png", "abs.png"}


def test_images(hostile: Path, tmp_path: Path) -> None:
    """Each beside a good image: the good one is always kept, the bad one named with a reason."""
    names = names_in("images", hostile)
    assert set(names) >= UNREADABLE_IMAGES
    for name in names:
        upload = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(upload, "w") as out:
            out.write(hostile / "images" / name, name)
            out.write(hostile / "images" / "ok.png", "good.png")
        code, answer = inspect("inspect_dataset", upload, tmp_path / name)
        assert code == "accepted", name
        assert isinstance(answer, ChildResult)
        described = answer.result["description"]
        unreadable = {entry["name"]: entry["reason"] for entry in described["unreadable"]}
        assert set(unreadable) == ({name} & UNREADABLE_IMAGES), name
        assert described["images"] == 2 - len(unreadable)
        assert all(unreadable.values())


def test_the_worker_goes_on_after_a_crash(hostile: Path, tmp_path: Path) -> None:
    """The same process that saw a child die takes the next upload."""
    assert inspect("inspect_model", hostile / "models" / "82_gathernd.onnx", tmp_path / "crash")[0] == "stage.crashed"
    assert inspect("inspect_dataset", hostile / "archives" / "ok.zip", tmp_path / "next")[0] == "accepted"
