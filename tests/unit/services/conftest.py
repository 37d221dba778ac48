"""The real services over a real database in a temporary folder; no worker, so jobs wait in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.context import Workbench, open_workbench
from tests.support.databases import migrated


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    workbench = open_workbench(migrated(tmp_path / "data"))
    yield workbench
    workbench.close()
