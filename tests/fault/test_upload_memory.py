"""A 2 GB upload keeps the web process within 50 MB of idle, and every byte arrives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.big_upload import send_big_upload
from tests.support.server import LiveServer

pytestmark = pytest.mark.slow

SIZE_BYTES = 2 * 10**9
ALLOWED_GROWTH_BYTES = 50 * 10**6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path / "data", worker=False, WORKBENCH_LOG_LEVEL="WARNING").start()
    yield server
    server.stop()
    assert "Traceback" not in server.text()


@pytest.fixture
def room(tmp_path: Path) -> None:
    if psutil.disk_usage(str(tmp_path)).free < 3 * SIZE_BYTES:
        pytest.skip("needs 6 GB of free disk")


def test_two_gigabytes_leave_the_memory_flat(server: LiveServer, room: None) -> None:
    sent = send_big_upload(server, SIZE_BYTES)
    assert sent.growth_bytes < ALLOWED_GROWTH_BYTES, f"idle {sent.idle_bytes / 1e6:.0f} MB, peak {sent.peak_bytes / 1e6:.0f} MB"
    assert (server.settings.blobs / "sha256" / sent.sha256[:2] / sent.sha256).stat().st_size == SIZE_BYTES
