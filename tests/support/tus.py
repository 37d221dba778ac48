"""Speaking tus to the real application: through a test client, or as raw ASGI where the sender must vanish in the middle."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

TUS = {"Tus-Resumable": "1.0.0"}
OFFSET_TYPE = "application/offset+octet-stream"


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def create(client: TestClient, size_bytes: int, filename: str = "model.onnx", kind: str = "model") -> str:
    """The new upload's URL."""
    headers = {**TUS, "Upload-Length": str(size_bytes), "Upload-Metadata": metadata(filename=filename, kind=kind)}
    answer = client.post("/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def patch(client: TestClient, url: str, offset: int, content: bytes, **headers: str) -> Any:
    return client.patch(
        url, content=content, headers={**TUS, "Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE, **headers}
    )


def offset(client: TestClient, url: str) -> int:
    answer = client.head(url, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]


async def patch_raw(app: FastAPI, url: str, at: int, chunks: AsyncIterator[bytes] | Iterable[bytes]) -> RawAnswer | None:
    """A PATCH whose sender vanishes after these chunks, without ending the body; the answer, should one be sent."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PATCH",
        "scheme": "http",
        "path": url,
        "raw_path": url.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "headers": [
            (b"host", b"testserver"),
            (b"tus-resumable", b"1.0.0"),
            (b"content-type", OFFSET_TYPE.encode()),
            (b"upload-offset", str(at).encode()),
        ],
    }
    pending = chunks if isinstance(chunks, AsyncIterator) else _iterate(chunks)
    answers: list[RawAnswer] = []

    async def receive() -> dict[str, Any]:
        chunk = await anext(pending, None)
        return {"type": "http.disconnect"} if chunk is None else {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = {name.decode(): value.decode() for name, value in message["headers"]}
            answers.append(RawAnswer(message["status"], headers))

    await app(scope, receive, send)
    return answers[0] if answers else None


async def _iterate(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
