"""The real application over a real database in a temporary folder; no worker, so jobs wait in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from starlette.testclient import TestClient

from app.main import build_app
from app.services.context import Workbench, open_workbench
from tests.support.databases import migrated


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """structlog's default draws every local variable of a traceback, which takes seconds."""
    structlog.reset_defaults()  # `configure` keeps what it is not given
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    workbench = open_workbench(migrated(tmp_path / "data"))
    yield workbench
    workbench.close()


@pytest.fixture
def client(wb: Workbench) -> TestClient:
    """Answers 500 as a browser would see it, instead of raising here."""
    return TestClient(build_app(wb), raise_server_exceptions=False, follow_redirects=False)
