"""Help and errors as golden text: what people read and scripts rely on."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from app.cli.main import COMMANDS
from tests.support.archive_builder import tiny_dataset
from tests.support.command import Workbench
from tests.support.golden import assert_golden
from tests.support.model_builder import tiny_classifier


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(workbench: Workbench, command: str) -> None:
    ran = workbench(*([command] if command else []), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert_golden(f"cli/help{'-' if command else ''}{command}.txt", ran.out)


MISTAKES = [
    ["nope"],
    ["inspect"],
    ["inspect", "missing.onnx"],
    ["inspect", "text.onnx"],
    ["inspect", "empty.onnx"],
    ["optimize", "tiny.onnx", "--dataset", "data"],
    ["optimize", "tiny.onnx", "--dataset", "missing", "--out", "out"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "tiny.onnx"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--max-drop", "-1"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--max-drop", "nan"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--max-drop", "1e308"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--max-drop", "much"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--subset", "0"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--method", "best"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--seed", "-1"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--range-estimator", "best"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--range-estimator", "percentile:30"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--keep-float", ""],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--weight-bits", "6"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--config", "missing.json"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--config", "data"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--config", "broken.json"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--config", "wrong.json"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--config", "pot.json"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--size", "big"],
    ["optimize", "tiny.onnx", "--dataset", "data", "--out", "out", "--precision", "float16", "--method", "accuracy-aware"],
    ["evaluate", "tiny.onnx", "--dataset", "data", "--preprocessing", "usual"],
    ["evaluate", "tiny.onnx", "--dataset", "data", "--preprocessing", "missing.json"],
    ["evaluate", "tiny.onnx", "--dataset", "data", "--preprocessing", "broken.json"],
    ["evaluate", "tiny.onnx", "--dataset", "data", "--preprocessing", "wrong.json"],
    ["evaluate", "open.onnx", "--dataset", "data", "--preprocessing", "unit"],
    ["evaluate", "tiny.onnx", "--dataset", "empty"],
    ["benchmark"],
    ["benchmark", "tiny.onnx", "--streams", "0"],
    ["benchmark", "tiny.onnx", "--batch", "1;8"],
    ["benchmark", "tiny.onnx", "--seconds", "-1"],
    ["serve", "--host", "0.0.0.0"],
    ["serve", "--port", "65536"],
    ["verify"],
]


@pytest.fixture
def files(workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good and bad files in the current folder, so that messages name no temporary one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_DATA", "nothing-here")
    onnx.save(tiny_classifier(), "tiny.onnx")
    onnx.save(tiny_classifier(height=None, image_width=None), "open.onnx")
    Path("text.onnx").write_text("not a model")
    Path("empty.onnx").write_bytes(b"")
    Path("broken.json").write_text("{")
    Path("wrong.json").write_text('{"height": 32}')
    Path("pot.json").write_text(
        '{"compression": {"algorithms": [{"name": "AccuracyAwareQuantization", "params": {"maximal_drop": 5}}]}}'
    )
    Path("empty").mkdir()
    tiny_dataset(Path("data"), n=4)


@pytest.mark.usefixtures("files")
def test_mistakes_are_explained_on_stderr_and_change_nothing(workbench: Workbench, tmp_path: Path) -> None:
    """All in one golden file, to be read as one."""
    told = []
    for arguments in MISTAKES:
        ran = workbench(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1
        told.append(f"$ workbench {' '.join(arguments)}\n{ran.err.replace(str(tmp_path), '…')}")
    assert_golden("cli/errors.txt", "\n".join(told))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "tiny.onnx", "open.onnx", "text.onnx", "empty.onnx", "broken.json", "wrong.json", "pot.json", "empty",
        "data",
    }  # fmt: skip
