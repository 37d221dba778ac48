"""The CLI's executor: events in order, files in the folder, repeated work looked up, paths checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import WorkbenchError
from app.jobs.events import Event
from app.jobs.executor import Artifact
from app.jobs.local import LocalExecutor
from app.jobs.stagefiles import build_spec, find_files, memo_key
from app.settings import Settings

PACKAGE = "tests.support.stages"


def test_events_files_and_memo(tmp_path: Path) -> None:
    events: list[Event] = []
    executor = LocalExecutor(tmp_path, Settings(cores=2), events.append, package=PACKAGE)
    executor.plan(["Try"])
    first = executor.run("misbehave", files={}, params={"how": "succeed"}, label="Try")
    assert [event.kind for event in events] == ["planned", "started", "log", "progress", "finished"]
    assert {event.stage for event in events} == {"Try"}
    assert {name: artifact.path.read_text() for name, artifact in first.files.items()} == {
        name: name for name in ("text.txt", "a.txt", "b.txt")
    }
    assert executor.run("misbehave", files={}, params={"how": "succeed"}, label="Again") is first
    again = executor.run("misbehave", files={}, params={"how": "succeed"}, label="Measured", memo=False)
    assert again.files["text.txt"].path != first.files["text.txt"].path


def test_a_refusal_is_an_event_and_an_exception(tmp_path: Path) -> None:
    events: list[Event] = []
    executor = LocalExecutor(tmp_path, Settings(), events.append, package=PACKAGE)
    with pytest.raises(WorkbenchError, match="0 bytes"):
        executor.run("misbehave", files={}, params={"how": "refuse"})
    assert events[-1] == Event("failed", "misbehave", message="The file has 0 bytes.")


def test_spec_has_paths_lists_of_paths_and_none(tmp_path: Path) -> None:
    a, b = Artifact(tmp_path / "a"), Artifact(tmp_path / "b")
    spec = build_spec({"model": a, "others": [a, b], "pack": None}, {"seed": 3})
    assert spec == {"model": str(a.path), "others": [str(a.path), str(b.path)], "pack": None, "seed": 3}


def test_memo_key_depends_on_content_and_parameters_not_on_places() -> None:
    def key(sha256: str = "1" * 64, path: str = "/x", stage: str = "evaluate", **params: int) -> str:
        return memo_key(stage, {"model": Artifact(Path(path), sha256)}, params)

    assert key(path="/x", a=1, b=2) == key(path="/y", b=2, a=1)
    assert len({key(), key("2" * 64), key(stage="rank"), key(a=1), key(a=2)}) == 5


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "missing", "link", "folder", "."])
def test_a_result_cannot_name_files_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "stage"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(WorkbenchError, match="did not write"):
        find_files({"model_file": name}, folder)


def test_empty_file_names_mean_none(tmp_path: Path) -> None:
    assert find_files({"pack_file": "", "thumbnail_files": [], "count": 3}, tmp_path) == {}
