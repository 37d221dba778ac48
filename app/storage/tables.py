"""The tables. JSON columns hold engine dataclasses written by `app.engine.records.to_json`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, MetaData, String, TypeDecorator, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.storage.ids import new_id


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python on every database (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def utc_now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: UtcDateTime, str: String}  # noqa: RUF012


class Blob(Base):
    """Bytes kept under their sha256. A row never names a missing file."""

    __tablename__ = "blob"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class User(Base):
    __tablename__ = "user"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Upload(Base):
    """A tus upload. The offset is the size of `incoming/<id>.part`; the row says what it will become."""

    __tablename__ = "upload"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(10))  # model | dataset
    filename: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    result_id: Mapped[str | None] = mapped_column(String(36))
    """Id of the model or dataset it became; None while bytes are missing."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Model(Base):
    """state: inspecting -> ready | refused."""

    __tablename__ = "model"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(12), default="inspecting")
    upload_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"))
    """The single-file model that is used; None until ready."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any] | None]
    """ModelDescription."""
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Dataset(Base):
    """state: inspecting -> ready | refused."""

    __tablename__ = "dataset"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(12), default="inspecting")
    upload_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    files: Mapped[dict[str, Any] | None]
    """File name -> sha256: index.json, samples.pack, thumb-<n>.jpg."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any] | None]
    """DatasetDescription."""
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Worker(Base):
    """One row per process start; beats every 2 s."""

    __tablename__ = "worker"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    beat: Mapped[int] = mapped_column(default=0)
    """Counts up; watchers judge silence by their own monotonic clock, since wall time may jump."""
    beat_at: Mapped[datetime] = mapped_column(default=utc_now)
    device: Mapped[dict[str, Any]]
    """Capabilities."""
    state: Mapped[str] = mapped_column(String(10), default="up")  # up | draining | gone
    started_at: Mapped[datetime] = mapped_column(default=utc_now)


class Project(Base):
    __tablename__ = "project"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str] = mapped_column(String(255))
    model_id: Mapped[str] = mapped_column(ForeignKey("model.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    preprocessing: Mapped[dict[str, Any]]
    """Preprocessing."""
    task: Mapped[dict[str, Any]]
    """ClassificationTask."""
    runtime: Mapped[str] = mapped_column(String(20), default="onnxruntime")
    max_drop: Mapped[float] = mapped_column(default=1.0)
    """The user's limit in points, the line on the charts."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    model: Mapped[Model] = relationship(lazy="joined")
    dataset: Mapped[Dataset] = relationship(lazy="joined")


class Run(Base):
    """One execution with its results. The job in the queue has the same id.

    kind: inspect-model | inspect-dataset | preflight | baseline | optimize | compare
    state: queued -> running -> succeeded | failed | cancelled
    """

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12), default="queued")
    subject_id: Mapped[str | None] = mapped_column(String(36))
    """Model or dataset of an inspection."""
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    worker_id: Mapped[str | None] = mapped_column(ForeignKey("worker.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_run_project_created", "project_id", "created_at"), Index("ix_run_state", "state"))


class StageEvent(Base):
    """Progress and log of a run; the id is the SSE event id."""

    __tablename__ = "stage_event"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))  # planned | started | progress | log | finished | failed
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (
        Index("ix_stage_event_run", "run_id", "id"),
        {"sqlite_autoincrement": True},  # an id is never used twice, else a page following by id would miss events
    )


class Variant(Base):
    """A runnable file in a project. method: fp32 | int8-default | int8-accuracy-aware."""

    __tablename__ = "variant"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id"))
    """The run that made it; None for the original."""
    method: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    recipe: Mapped[dict[str, Any] | None]
    """Recipe; None for the original."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (
        UniqueConstraint("project_id", "run_id", "method", name="uq_variant_run"),
        Index(  # a unique constraint does not see rows whose run_id is NULL
            "uq_variant_original",
            "project_id",
            unique=True,
            sqlite_where=text("run_id IS NULL"),
            postgresql_where=text("run_id IS NULL"),
        ),
    )


class Measurement(Base):
    """kind: evaluation (Evaluation) | grid (GridResult), of one variant; the newest of a kind counts."""

    __tablename__ = "measurement"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    variant_id: Mapped[str] = mapped_column(ForeignKey("variant.id", ondelete="CASCADE"))
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    worker_id: Mapped[str | None] = mapped_column(ForeignKey("worker.id"))
    kind: Mapped[str] = mapped_column(String(12))
    data: Mapped[dict[str, Any]]
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """File name -> sha256, e.g. predictions.npz."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (UniqueConstraint("variant_id", "run_id", "kind", name="uq_measurement_run"),)


class Comparison(Base):
    """A PairedResult of several variants of a project; its variants' names are variant ids."""

    __tablename__ = "comparison"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), unique=True)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Trial(Base):
    """One candidate of an accuracy-aware search (a `app.engine.accuracy_aware.search.Trial`)."""

    __tablename__ = "trial"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    number: Mapped[int]
    data: Mapped[dict[str, Any]]
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (UniqueConstraint("run_id", "number", name="uq_trial_number"),)


class StageMemo(Base):
    """Results of deterministic stages by the hash of stage, version, inputs and parameters: a repeated stage is a look-up."""

    __tablename__ = "stage_memo"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(40))
    result: Mapped[dict[str, Any]]
    files: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    used_at: Mapped[datetime] = mapped_column(default=utc_now)
    """Forgotten a week after this, with files that nothing else names."""
