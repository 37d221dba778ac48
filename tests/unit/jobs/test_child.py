"""A child's every end is an answer: its own refusal, a signal, a limit, a cancel; and nothing of it stays behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from app.engine.stages.context import Progress
from app.errors import WorkbenchError
from app.jobs.child import ChildResult, Limits, run_child, without_paths
from tests.support.processes import is_alive, wait_for

MIB = 2**20


def run(folder: Path, how: str, amount: int = 0, limits: Limits | None = None, **options: Any) -> ChildResult:
    spec = {"how": how, "amount": amount}
    return run_child("misbehave", spec, folder, limits=limits or Limits(), package="tests.support.stages", **options)


def assert_dies(pid: int) -> None:
    wait_for(lambda: not is_alive(pid), f"process {pid} is gone", patience_s=5)


def test_result_progress_and_cost(tmp_path: Path) -> None:
    seen: list[Progress] = []
    outcome = run(tmp_path, "succeed", 100 * MIB, Limits(threads=3), on_progress=seen.append)
    assert seen[0] == Progress(0, 2, "beginning")
    assert seen[-1] == Progress(2, 2)
    assert outcome.result["threads"] == 3
    assert outcome.result["niceness"] == 19
    assert outcome.result["autogroup"].rstrip().endswith("nice 10") or not outcome.result["autogroup"]
    assert outcome.result["session"] is True
    assert 100 < outcome.peak_memory_mb < 1000
    assert outcome.seconds > 0


def test_the_environment_is_an_allow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("CI", "1"),
        ("SECRET_TOKEN", "x"),
        ("WORKBENCH_DATA", "/x"),
        ("OMP_NUM_THREADS", "7"),
        ("HTTP_PROXY", "x"),
    ):
        monkeypatch.setenv(name, value)
    environment = run(tmp_path, "succeed").result["environment"]
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["HOME"] == environment["TMPDIR"] == str(tmp_path)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert not environment.keys() & {"CI", "SECRET_TOKEN", "WORKBENCH_DATA", "HTTP_PROXY"}


def test_it_works_in_its_own_folder(tmp_path: Path) -> None:
    run(tmp_path, "write_outside")
    assert (tmp_path / "here.txt").is_file()


@pytest.mark.parametrize(
    ("how", "limits", "code", "says"),
    [
        pytest.param("refuse", Limits(), "model.empty", "The file has 0 bytes.", id="its own refusal"),
        pytest.param("segfault", Limits(), "stage.crashed", "SIGSEGV", id="segmentation fault"),
        pytest.param("abort", Limits(), "stage.crashed", "SIGABRT", id="abort"),
        pytest.param("divide", Limits(), "stage.crashed", "SIGFPE", id="division"),
        pytest.param("be_killed", Limits(), "stage.killed", "SIGKILL", id="killed by the system"),
        pytest.param("eat_memory", Limits(memory_bytes=300 * MIB), "stage.memory", "0.3 GiB", id="memory limit"),
        pytest.param("allocate_natively", Limits(), "stage.memory", "memory", id="bad_alloc of a library"),
        pytest.param("spin", Limits(cpu_seconds=1), "stage.timeout", "1 s of CPU time", id="CPU limit"),
        pytest.param("spin", Limits(wall_seconds=0.5), "stage.timeout", "0.5 s", id="wall clock"),
        pytest.param("make_a_mistake", Limits(), "stage.failed", "…/model.onnx", id="our mistake"),
        pytest.param("no_such_way", Limits(), "stage.failed", "KeyError", id="our mistake, no message"),
    ],
)
def test_each_end_is_an_answer(tmp_path: Path, how: str, limits: Limits, code: str, says: str) -> None:
    with pytest.raises(WorkbenchError, match=says) as caught:
        run(tmp_path, how, limits=limits)
    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)


def test_the_refusal_arrives_whole(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError) as caught:
        run(tmp_path, "refuse")
    expected = {"code": "model.empty", "message": "The file has 0 bytes.", "where": "x.onnx", "hint": "Export it again."}
    assert caught.value.as_dict() == expected


def test_cancel_kills_the_whole_group_even_if_it_does_not_want_to(tmp_path: Path) -> None:
    hanging = threading.Event()

    def on_progress(progress: Progress) -> None:
        if progress.message == "hanging":
            hanging.set()

    with pytest.raises(WorkbenchError) as caught:
        run(tmp_path, "hang", on_progress=on_progress, should_stop=hanging.is_set)
    assert caught.value.code == "run.cancelled"
    assert_dies(int((tmp_path / "grandchild").read_text()))


def test_an_interrupt_in_the_waiting_thread_kills_the_group(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.message == "hanging":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "hang", on_progress=interrupt)
    assert_dies(int((tmp_path / "grandchild").read_text()))


def test_nothing_goes_on_after_a_good_end(tmp_path: Path) -> None:
    run(tmp_path, "leave_grandchild")
    assert_dies(int((tmp_path / "grandchild").read_text()))


def test_babble_is_no_progress_and_no_crash(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tmp_path, "babble", on_progress=seen.append)
    assert seen == [Progress(0, 2, "beginning"), Progress(2, 2)]


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(folder, "succeed")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Load model from /data/blobs/sha256/ab/abc failed", "Load model from …/abc failed"),
        ('File "/opt/venv/lib/x.py", line 3', 'File "…/x.py", line 3'),
        ("images/s and 3/4", "images/s and 3/4"),
        ("nothing here", "nothing here"),
    ],
)
def test_paths_are_removed(text: str, cleaned: str) -> None:
    assert without_paths(text) == cleaned
