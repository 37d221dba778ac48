"""The address a server listens on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from app.cli.server import listen
from app.errors import WorkbenchError
from app.settings import Settings


def settings(tmp_path: Path, host: str = "127.0.0.1", port: int = 0) -> Settings:
    return Settings(data=tmp_path, host=host, port=port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_answers_are_sent_without_waiting_for_acknowledgements(tmp_path: Path, host: str) -> None:
    if host == "[::1]" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    listening = listen(settings(tmp_path, host))
    assert asyncio.run(_nodelay_of_a_connection(listening.socket)) != 0


def test_port_that_is_taken_is_told_with_another_one(tmp_path: Path) -> None:
    with listen(settings(tmp_path)).socket as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError) as refused:
            listen(settings(tmp_path, port=port))
    assert refused.value.code == "serve.port_busy"
    assert f"--port {port + 1}" in refused.value.hint


async def _nodelay_of_a_connection(listening: socket.socket) -> int:
    """TCP_NODELAY as the server has it on a connection it accepted."""
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(accept, sock=listening):
        _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        nodelay = await seen
        writer.close()
        await writer.wait_closed()
        return nodelay


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
