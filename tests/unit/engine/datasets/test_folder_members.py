"""A local folder: regular files in a fixed order, links followed without going round, nothing that blocks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.engine.datasets import folder_members
from app.engine.datasets.folder_members import FolderMembers
from app.errors import WorkbenchError


def test_names_sizes_and_contents_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a/x.txt", "top.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    members = FolderMembers(tmp_path)
    assert [(m.name, m.size_bytes, m.read().decode()) for m in members] == [
        (name, len(name), name) for name in ("top.txt", "a/x.txt", "b/1.txt", "b/2.txt")
    ]
    assert [m.read(3) for m in members] == [b"top", b"a/x", b"b/1", b"b/2"]  # again, and only the beginning
    assert members.folders == {"", "a", "b"}


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cats").mkdir(parents=True)
    (elsewhere / "cats" / "1.txt").write_text("cat")
    root = tmp_path / "root"
    root.mkdir()
    (root / "cats").symlink_to(elsewhere / "cats")
    (root / "one.txt").symlink_to(elsewhere / "cats" / "1.txt")
    (root / "round").symlink_to(root)
    (root / "nowhere.txt").symlink_to(tmp_path / "missing")
    assert [member.name for member in FolderMembers(root)] == ["one.txt", "cats/1.txt"]


def test_pipes_and_devices_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "file.txt").write_text("x")
    assert [member.name for member in FolderMembers(tmp_path)] == ["file.txt"]


def test_a_name_that_cannot_be_stored_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    assert [member.name for member in FolderMembers(tmp_path)] == ["good.txt"]


def test_a_file_that_grew_is_read_to_the_size_it_had(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    [member] = FolderMembers(tmp_path)
    (tmp_path / "a.txt").write_text("abcdef")
    assert member.read() == b"abc"


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_members, "MAXIMUM_MEMBERS", 2)
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(WorkbenchError, match="at most 2 files") as caught:
        list(FolderMembers(tmp_path))
    assert caught.value.code == "dataset.too_many_files"
