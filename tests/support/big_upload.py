"""One large upload as the page sends it, while somebody watches the memory of the web process."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from dataclasses import dataclass
from typing import Self

import psutil

from tests.support.server import LiveServer
from tests.support.tus import OFFSET_TYPE, TUS, metadata

CHUNK_BYTES = 8 * 2**20
"""As static/js/upload.js sends them."""
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class BigUpload:
    idle_bytes: int
    """Resident memory of the web process after some pages."""
    peak_bytes: int
    """The most while bytes came."""
    seconds: float
    """From the first byte to the last acknowledgement, the hash of the whole included."""
    sha256: str

    @property
    def growth_bytes(self) -> int:
        return self.peak_bytes - self.idle_bytes


def send_big_upload(server: LiveServer, size_bytes: int) -> BigUpload:
    """Raises AssertionError when the server acknowledges anything but what was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    for _ in range(20):
        _ask(connection, "GET", "/datasets", {})
    process = psutil.Process(server.pid)
    idle_bytes = process.memory_info().rss
    with _Watch(process) as watch:
        seconds, sha256 = _send(connection, size_bytes)
    connection.close()
    return BigUpload(idle_bytes, max(watch.peak_bytes, idle_bytes), seconds, sha256)


def _send(connection: http.client.HTTPConnection, size_bytes: int) -> tuple[float, str]:
    headers = {**TUS, "Upload-Length": str(size_bytes), "Upload-Metadata": metadata(filename="big.zip", kind="dataset")}
    url = _ask(connection, "POST", "/uploads", headers)["Location"]
    digest, offset, seconds = hashlib.sha256(), 0, 0.0
    while offset < size_bytes:
        chunk = _content_at(offset, min(CHUNK_BYTES, size_bytes - offset))
        digest.update(chunk)
        started = time.perf_counter()
        answer = _ask(connection, "PATCH", url, {**TUS, "Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE}, chunk)
        seconds += time.perf_counter() - started
        offset += len(chunk)
        assert int(answer["Upload-Offset"]) == offset
    return seconds, digest.hexdigest()


def _content_at(offset: int, length: int) -> bytes:
    """Different in every chunk, cheap to make."""
    return (offset.to_bytes(8, "big") * (length // 8 + 1))[:length]


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> http.client.HTTPMessage:
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status < 300, answer.status
    return answer.headers


class _Watch:
    """Looks at the memory of a process until it is left."""

    def __init__(self, process: psutil.Process) -> None:
        self.peak_bytes = 0
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)
