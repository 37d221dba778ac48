"""A 2 GB upload keeps the web process within 50 MB of idle, and every byte arrives."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.server import LiveServer
from tests.support.tus import OFFSET_TYPE, TUS, metadata

pytestmark = pytest.mark.slow

SIZE_BYTES = 2 * 10**9
CHUNK_BYTES = 8 * 2**20
"""As static/js/upload.js sends them."""
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
    process = psutil.Process(server.pid)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    for _ in range(20):
        ask(connection, "GET", "/datasets", {})
    idle = process.memory_info().rss
    peak, digest = idle, hashlib.sha256()
    headers = {**TUS, "Upload-Length": str(SIZE_BYTES), "Upload-Metadata": metadata(filename="big.zip", kind="dataset")}
    url = ask(connection, "POST", "/uploads", headers)["Location"]
    offset = 0
    while offset < SIZE_BYTES:
        chunk = content_at(offset, min(CHUNK_BYTES, SIZE_BYTES - offset))
        digest.update(chunk)
        answer = ask(connection, "PATCH", url, {**TUS, "Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE}, chunk)
        offset += len(chunk)
        assert int(answer["Upload-Offset"]) == offset
        peak = max(peak, process.memory_info().rss)
    connection.close()
    assert (peak - idle) < ALLOWED_GROWTH_BYTES, f"idle {idle / 1e6:.0f} MB, at most {peak / 1e6:.0f} MB"
    sha256 = digest.hexdigest()
    assert (server.settings.blobs / "sha256" / sha256[:2] / sha256).stat().st_size == SIZE_BYTES


def content_at(offset: int, length: int) -> bytes:
    """Different in every chunk, cheap to make."""
    return (offset.to_bytes(8, "big") * (length // 8 + 1))[:length]


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> http.client.HTTPMessage:
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status < 300, answer.status
    return answer.headers
