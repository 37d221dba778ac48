"""Every input of shared/hostile through the real child: the kind of answer MEASURED.md asks for, in time, with nothing leaked.

Models there are mostly no image classifiers. Those that MEASURED.md accepts must reach the last check, the image input, and
fail at nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
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
SLOWEST_S = 25
"""The wall clock of the child, and what starting and ending it costs on a busy machine."""

ACCEPTED = {"accepted"}
NO_IMAGE = {"model.no_image_input", "accepted"}
OUTSIDE = {"model.external_data_outside", "model.external_data_missing"}
RUNTIME = {"runtime.cannot_open"}
DIED = {"stage.crashed", "stage.timeout"}

MODELS: dict[str, set[str]] = {
    "01_empty": {"model.empty"},
    **dict.fromkeys(["02_noise", "04_html", "05_pickle", "06_ortm", "77_deep_unknown"], {"model.not_onnx"}),
    "03_cut": {"model.truncated"},
    **dict.fromkeys(
        ["10_ext_abs", "11_ext_up", "12_ext_nested", "13_ext_symlink", "14_ext_dirlink", "15_ext_hardlink", "16_ext_fifo"],
        OUTSIDE,
    ),
    **dict.fromkeys(["17_ext_zero", "18_ext_long", "19_ext_neg", "20_ext_memaddr", "22_ext_url"], OUTSIDE),
    **dict.fromkeys(["21_ext_setattr", "32_dims_neg", "33_rank_1m"], {"model.invalid"}),
    **dict.fromkeys(["30_dims_huge", "31_dims_wrap", "34_raw_short", "60_div0", "62_mod0", "64_stride0"], RUNTIME),
    **dict.fromkeys(["65_tree_cycle", "66_svm", "68_topk", "69_einsum", "70_cycle", "71_dup", "78_two_graphs"], RUNTIME),
    **dict.fromkeys(["49_tower30", "50_self", "52_deep_raw"], {"model.too_complex"}),
    **dict.fromkeys(["72_custom", "81_ctx"], {"model.custom_ops"}),
    **dict.fromkeys(["73_opset999", "74_ir999"], {"model.opset_unsupported"}),
    "82_gathernd": {"stage.crashed"},
    "85_einsum": {"stage.timeout"},
}
"""All others are accepted, but for their inputs."""
ARCHIVES: dict[str, set[str]] = {
    **dict.fromkeys(["ok.zip", "ok.tar.gz", "case.zip"], ACCEPTED),
    "zero.zip": {"dataset.not_archive"},
    **dict.fromkeys(["cut.zip", "cut.tar.gz", "lie.zip"], {"dataset.truncated_archive"}),
    **dict.fromkeys(["slip.zip", "slip.tar", "abs.tar", "backslash.zip", "nul.zip", "names.zip"], {"archive.unsafe_name"}),
    **dict.fromkeys(["quine_name.zip", "longname.tar"], {"archive.unsafe_name"}),
    **dict.fromkeys(["symlink.zip", "symlink.tar", "symlink_etc.tar", "hardlink.tar", "hard_in_sym.tar"], {"archive.links"}),
    **dict.fromkeys(["overlong.tar", "device.tar", "fifo.tar"], {"archive.links"}),
    **dict.fromkeys(["twice.zip", "fileisdir.zip"], {"archive.duplicate_name"}),
    **dict.fromkeys(["overlap.zip", "polyglot.zip"], {"archive.overlap"}),
    "encrypted.zip": {"archive.encrypted"},
    "lzma.zip": {"archive.method"},
    "nested.zip": {"archive.nested"},
    "bomb.tar.gz": {"archive.bomb"},
    "sparse_claim.tar": {"archive.too_large"},
    "bomb_1g.zip": {"archive.bomb", "dataset.empty"},  # its only image is over the limit of one image
    "count65k.zip": {"dataset.empty"},  # listed without complaint; all 65,536 images are empty
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


def names_in(room: str, hostile: Path) -> list[str]:
    return [key.partition("/")[2] for key in json.loads((hostile / "manifest.json").read_text()) if key.startswith(f"{room}/")]


def inspect(stage: str, upload: Path, folder: Path) -> tuple[str, ChildResult | WorkbenchError]:
    """("accepted" or the refusal's code, all of the answer), after the checks that hold for every input."""
    folder.mkdir()
    started = time.monotonic()
    answer: ChildResult | WorkbenchError
    try:
        answer = run_child(stage, {"upload": str(upload), "filename": upload.name}, folder, limits=LIMITS)
    except WorkbenchError as error:
        answer = error
    assert time.monotonic() - started < SLOWEST_S
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
    wrong = {}
    names = names_in("models", hostile)
    assert {f"{name}.onnx" for name in MODELS} <= set(names)
    for name in names:
        code, _ = inspect("inspect_model", hostile / "models" / name, tmp_path / name)
        if code not in MODELS.get(name.removesuffix(".onnx"), NO_IMAGE):
            wrong[name] = code
    assert not wrong


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
    assert set(names) == set(ARCHIVES)
    found = {name: inspect("inspect_dataset", hostile / "archives" / name, tmp_path / name)[0] for name in names}
    assert {name: code for name, code in found.items() if code not in ARCHIVES[name]} == {}
    outside = {path.name for path in tmp_path.rglob("*") if path.is_file()} & {
        "slipped.png",
        "up.png",
        "win.png",
        "abs_by_tar.png",
    }
    assert not outside
    assert not Path("/tmp/abs_by_tar.png").exists()


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
    assert inspect("inspect_model", hostile / "models" / "82_gathernd.onnx", tmp_path / "crash")[0] in DIED
    assert inspect("inspect_dataset", hostile / "archives" / "ok.zip", tmp_path / "next")[0] == "accepted"
