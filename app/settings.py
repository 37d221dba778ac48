"""Environment -> one frozen Settings. Every variable starts with `WORKBENCH_`."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 2**30


class Settings(BaseSettings):
    """Where things are and how much they may use."""

    model_config = SettingsConfigDict(env_prefix="WORKBENCH_", frozen=True)

    data: Path = Field(default=Path("data"), description="Folder of the database, blobs, uploads in progress and work folders.")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data folder.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    trust_network: bool = Field(
        default=False, description="Listen on other addresses than loopback although there are no accounts yet."
    )
    port: int = Field(default=8000, description="Port to listen on.")
    allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]", "testserver"),
        description="Host names a request may name (defence against DNS rebinding), as a JSON list.",
    )
    max_model_bytes: int = Field(default=2 * GIB, description="Largest model upload.")
    max_dataset_bytes: int = Field(default=20 * GIB, description="Largest dataset upload.")
    min_free_bytes: int = Field(default=1 * GIB, description="Uploads are refused when less disk than this would stay free.")
    stage_memory_bytes: int = Field(default=8 * GIB, description="Memory one stage's child process may allocate.")
    stage_cpu_seconds: int = Field(default=24 * 3600, description="CPU time one stage may use.")
    inspect_seconds: int = Field(default=120, description="Wall clock for looking into an uploaded file.")
    cores: int = Field(default=0, description="Cores the worker may use; 0: all it is allowed to.")
    benchmark_seconds: float = Field(default=2.0, description="Time per cell of the benchmark grid.")
    paired_seconds: float = Field(
        default=12.0, description="Time of a paired comparison, all variants together, settling not counted."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("data")
    @classmethod
    def _absolute(cls, data: Path) -> Path:
        """Children run in folders of their own, so a path relative to the server's would mislead them."""
        return data.absolute()

    @property
    def sqlalchemy_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'workbench.sqlite3'}"

    @property
    def usable_cores(self) -> int:
        return self.cores or len(os.sched_getaffinity(0))

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def incoming(self) -> Path:
        return self.data / "incoming"

    @property
    def work(self) -> Path:
        return self.data / "work"
