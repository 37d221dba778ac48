"""What something names stays, whatever its age; what nothing names goes after its time."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.storage import garbage, tables
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.garbage import forget_unnamed
from app.storage.tables import Base, Blob, Dataset, Measurement, Model, Project, Run, StageMemo, Trial, User, Variant, utc_now
from tests.support.databases import migrated

NAMED = ("upload", "model", "dataset", "index", "variant", "predictions", "trial", "preview", "memo")


@pytest.fixture
def database(tmp_path: Path):
    database = Database(migrated(tmp_path / "data").sqlalchemy_url)
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path: Path, database: Database) -> dict[str, str]:
    """Name -> sha256 of a file each, all of them old, named by a row of each kind, except "nothing"."""
    store, hashes = BlobStore(tmp_path / "data" / "blobs"), {}
    for name in (*NAMED, "nothing"):
        (tmp_path / name).write_text(name)
        facts = store.add_file(tmp_path / name)
        hashes[name] = facts.sha256
        with database.write() as session:
            store.record(session, facts)
    with database.write() as session:
        session.add(User(id="u", name="u"))
        session.flush()
        session.add(Model(id="m", owner_id="u", name="m", upload_sha256=hashes["upload"], sha256=hashes["model"], size_bytes=1))
        files = {"index.json": hashes["index"]}
        session.add(Dataset(id="d", owner_id="u", name="d", upload_sha256=hashes["dataset"], size_bytes=1, files=files))
        session.flush()
        session.add(Project(id="p", owner_id="u", name="p", model_id="m", dataset_id="d", preprocessing={}, task={}))
        session.flush()
        result = {"result": {}, "files": {"preview": hashes["preview"]}}
        session.add_all([Run(id="r", owner_id="u", kind="preflight", result=result), Run(id="q", owner_id="u", kind="compare")])
        session.flush()
        session.add(Variant(id="v", project_id="p", method="fp32", name="v", sha256=hashes["variant"], size_bytes=1))
        session.add(Trial(run_id="r", number=1, data={}, files={"model.onnx": hashes["trial"]}))
        session.add(StageMemo(key="k", stage="s", result={}, files={"pixels.npy": hashes["memo"]}))
        session.flush()
        files = {"predictions.npz": hashes["predictions"]}
        session.add(Measurement(variant_id="v", run_id="r", kind="evaluation", data={}, files=files))
    return hashes


def grow_old(database: Database, days: int) -> None:
    with database.write() as session:
        session.execute(update(Blob).values(created_at=utc_now() - timedelta(days=days)))
        session.execute(update(StageMemo).values(used_at=utc_now() - timedelta(days=days)))


def left(database: Database) -> set[str]:
    with database.read() as session:
        return {blob.sha256 for blob in session.query(Blob)}


def test_young_files_stay_even_if_nothing_names_them_yet(database: Database, blobs: dict[str, str]) -> None:
    assert forget_unnamed(database) == 0
    assert left(database) == set(blobs.values())


def test_after_a_day_only_what_is_named_stays(database: Database, blobs: dict[str, str], tmp_path: Path) -> None:
    grow_old(database, days=2)
    assert forget_unnamed(database) == 1
    assert left(database) == {blobs[name] for name in NAMED}
    store = BlobStore(tmp_path / "data" / "blobs")
    assert store.sweep(database, older_than_s=-1) == 1
    assert store.verify(database).ok
    assert not store.exists(blobs["nothing"])


def test_after_a_week_unused_results_of_stages_go(database: Database, blobs: dict[str, str]) -> None:
    grow_old(database, days=8)
    assert forget_unnamed(database) == 2
    assert blobs["memo"] not in left(database)


def test_a_file_recorded_again_is_young_again(database: Database, blobs: dict[str, str], tmp_path: Path) -> None:
    grow_old(database, days=2)
    store = BlobStore(tmp_path / "data" / "blobs")
    with database.write() as session:
        store.record(session, store.add_file(tmp_path / "nothing"))
    assert forget_unnamed(database) == 0


def test_every_column_that_can_name_a_blob_is_looked_at() -> None:
    """A new table with files must be known here, or its files would be collected."""
    keys = [key for table in Base.metadata.tables.values() for key in table.foreign_keys]
    foreign = {str(key.parent) for key in keys if key.column.table.name == "blob"}
    assert foreign == {f"{column.class_.__tablename__}.{column.key}" for column in garbage.HASH_COLUMNS}
    source = ast.parse(Path(tables.__file__).read_text(encoding="utf-8"))
    with_files = {
        node.name
        for node in ast.walk(source)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(entry, ast.AnnAssign) and getattr(entry.target, "id", "") == "files" for entry in node.body)
    }
    assert with_files == {column.class_.__name__ for column in garbage.FILES_COLUMNS}
