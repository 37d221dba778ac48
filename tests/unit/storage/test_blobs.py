"""The blob store keeps what it acknowledged, under the hash of its content."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from app.errors import NotFoundError, UnavailableError
from app.storage import blobs as module
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.migration import upgrade

CONTENT = b"weights " * 1000


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    upgrade(database)
    return database


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("move", [False, True])
def test_content_is_found_under_its_hash(store: BlobStore, source: Path, move: bool) -> None:
    facts = store.add_file(source, move=move)
    assert facts.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert facts.size_bytes == len(CONTENT)
    assert store.path(facts.sha256).read_bytes() == CONTENT
    assert source.read_bytes() == CONTENT  # a crash before the caller's commit loses nothing
    assert (store.path(facts.sha256).stat().st_ino == source.stat().st_ino) is move


def test_adding_twice_is_one_file_and_one_row(store: BlobStore, source: Path, database: Database) -> None:
    for _ in range(2):
        with database.write() as session:
            store.record(session, store.add_file(source))
    assert store.verify(database).checked == 1
    assert list((source.parent / "blobs" / "parts").iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_hashes_name_blobs(store: BlobStore, name: str) -> None:
    with pytest.raises(NotFoundError):
        store.path(name)


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    store: BlobStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def logged_fsync(descriptor: int) -> None:
        calls.append("fsync folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "fsync file")
        fsync(descriptor)

    def logged_link(source: Path, target: Path, **options: bool) -> None:
        calls.append("name" if "sha256" in Path(target).parts else "part")
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "link", logged_link)
    store.add_file(source)
    assert calls == ["fsync file", "fsync folder", "name", "fsync folder"]  # the first folder: a new `ab` in its parent


def test_fault_at_the_nth_call_leaves_all_or_nothing(store: BlobStore, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every system call fails once in turn: either the blob is there and right, or it is not there; no part stays."""
    names = {"fsync": os.fsync, "link": os.link, "open": os.open}
    countdown = 0

    def failing(real):
        def call(*arguments, **options):
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                raise OSError(errno.ENOSPC, "no space")
            return real(*arguments, **options)

        return call

    sha256 = hashlib.sha256(CONTENT).hexdigest()
    n, failed = 0, True
    while failed:
        n += 1
        countdown, failed = n, False
        with monkeypatch.context() as patch:
            for name, real in names.items():
                patch.setattr(os, name, failing(real))
            try:
                store.add_file(source, move=True)
            except UnavailableError:
                failed = True
        if store.exists(sha256):
            assert store.path(sha256).read_bytes() == CONTENT
        assert list((source.parent / "blobs" / "parts").iterdir()) == []
    assert n >= 5
    assert store.exists(sha256)


def test_sweep_removes_only_what_is_old_and_unnamed(store: BlobStore, tmp_path: Path, database: Database) -> None:
    facts = {}
    for name in ("named", "unnamed"):
        (tmp_path / name).write_text(name)
        facts[name] = store.add_file(tmp_path / name)
    with database.write() as session:
        store.record(session, facts["named"])
    assert store.sweep(database) == 0  # young
    assert store.sweep(database, older_than_s=-1) == 1
    assert store.exists(facts["named"].sha256)
    assert not store.exists(facts["unnamed"].sha256)


def test_a_row_is_refused_when_its_file_was_swept(store: BlobStore, source: Path, database: Database) -> None:
    facts = store.add_file(source)
    store.sweep(database, older_than_s=-1)
    with pytest.raises(UnavailableError, match="removed before"), database.write() as session:
        store.record(session, facts)
    assert store.verify(database).checked == 0


def test_verify_names_what_is_missing_wrong_and_extra(store: BlobStore, tmp_path: Path, database: Database) -> None:
    facts = {}
    for name in ("good", "missing", "wrong", "short", "extra"):
        (tmp_path / name).write_text(name)
        facts[name] = store.add_file(tmp_path / name)
        if name != "extra":
            with database.write() as session:
                store.record(session, facts[name])
    store.delete(facts["missing"].sha256)
    for name, content in (("wrong", "wronG"), ("short", "s")):
        path = store.path(facts[name].sha256)
        path.chmod(0o644)
        path.write_text(content)
    report = store.verify(database)
    assert report.checked == 4
    assert report.missing == (facts["missing"].sha256,)
    assert set(report.wrong) == {facts["wrong"].sha256, facts["short"].sha256}
    assert report.extra == (facts["extra"].sha256,)
    assert not report.ok
    assert store.verify(database, content=False).wrong == (facts["short"].sha256,)


def test_adding_again_heals_a_truncated_file(store: BlobStore, source: Path) -> None:
    path = store.path(store.add_file(source).sha256)
    path.chmod(0o644)
    path.write_bytes(CONTENT[:100])
    store.add_file(source)
    assert path.read_bytes() == CONTENT


def test_another_file_system_is_copied(store: BlobStore, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def cross_device(source: Path, target: Path, **options: bool) -> None:
        if "parts" in Path(target).parts:
            raise OSError(errno.EXDEV, "cross-device link")
        link(source, target, **options)

    monkeypatch.setattr(module.os, "link", cross_device)
    assert store.path(store.add_file(source, move=True).sha256).read_bytes() == CONTENT
