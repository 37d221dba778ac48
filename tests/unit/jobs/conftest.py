"""A database with one user, one model, one dataset and one project, all called x."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from app.storage.database import Database
from app.storage.tables import Blob, Dataset, Model, Project, User, Worker
from tests.support.databases import migrated

SHA = "0" * 64


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return migrated(tmp_path / "data")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sqlalchemy_url)
    with database.write() as session:
        session.add_all([User(id=name, name=name) for name in ("alice", "bob", "carol")])
        session.add(Blob(sha256=SHA, size_bytes=7))
        session.flush()
        session.add(Model(id="x", owner_id="alice", name="x", upload_sha256=SHA, sha256=SHA, size_bytes=7))
        session.add(Dataset(id="x", owner_id="alice", name="x", upload_sha256=SHA, size_bytes=7))
        session.flush()
        session.add(Project(id="x", owner_id="alice", name="x", model_id="x", dataset_id="x", preprocessing={}, task={}))
        session.add_all([Worker(id=name, name=name, host="elsewhere", pid=1, device={}) for name in ("mine", "other")])
    yield database
    database.close()
