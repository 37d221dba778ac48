"""The web server with its worker in one command."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass

import uvicorn

from app.errors import WorkbenchError
from app.services.context import open_workbench
from app.services.uploads import sweep_parts
from app.settings import Settings
from app.storage.migration import migrate
from app.worker.launcher import WorkerLauncher
from app.worker.logs import configure_logs

BACKLOG = 128
GRACE_S = 3
"""Pages that follow a run hold their connection open: they come back by themselves."""


@dataclass(frozen=True)
class Listening:
    """A bound socket and how to reach it."""

    socket: socket.socket
    url: str


def settings_for(host: str | None, port: int | None) -> Settings:
    """The environment's settings with the command's own address, which every process started here then sees, too.

    Raises:
        WorkbenchError: `serve.not_loopback`.
    """
    if host is not None:
        os.environ["WORKBENCH_HOST"] = host
    if port is not None:
        os.environ["WORKBENCH_PORT"] = str(port)
    settings = Settings()
    if not is_loopback(settings.host) and not settings.trust_network:
        raise WorkbenchError(
            "serve.not_loopback",
            f"There are no accounts yet, so this server listens on this machine only, not on {settings.host}.",
            where="--host",
            hint="Use an SSH tunnel, or set WORKBENCH_TRUST_NETWORK=1 if everyone who can reach it may do everything.",
        )
    return settings


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(settings: Settings) -> Listening:
    """Bind before anything is started: a busy port is told at once.

    Raises:
        WorkbenchError: `serve.port_busy`, `serve.address`.
    """
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        created = socket.create_server((host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            message = f"Port {settings.port} is in use by another program, perhaps by another workbench."
            hint = f"Stop that one, or choose another port: --port {settings.port + 1}."
            raise WorkbenchError("serve.port_busy", message, where=where, hint=hint) from error
        message = f"This address cannot be listened on: {error.strerror or error}."
        raise WorkbenchError("serve.address", message, where=where) from error
    # Named as TCP, which create_server leaves open: asyncio switches Nagle's algorithm off only for sockets that say so, and
    # with it every answer in two pieces waits 40 ms for the browser's delayed acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=created.detach())
    port = bound.getsockname()[1]
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return Listening(bound, f"http://{shown}:{port}")


class Server:
    """Prepares the data folder, then serves until stopped; `with_worker` keeps one worker running beside it."""

    def __init__(self, settings: Settings, listening: Listening, *, with_worker: bool) -> None:
        self._settings, self._listening, self._with_worker = settings, listening, with_worker
        # By name: the composition root is no library of the command line, and reads the same environment.
        config = uvicorn.Config(
            "app.main:create_app",
            factory=True,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)

    @property
    def started(self) -> bool:
        return self._server.started

    def stop(self) -> None:
        """From any thread."""
        self._server.should_exit = True

    def run(self) -> None:
        """Until Ctrl-C, SIGTERM or `stop`; then the worker has ended, too."""
        configure_logs(self._settings.log_level)
        prepare(self._settings)
        with ExitStack() as stack:
            stack.callback(self._listening.socket.close)
            if self._with_worker:
                stack.enter_context(WorkerLauncher(self._settings))
            self._server.run(sockets=[self._listening.socket])


def prepare(settings: Settings) -> None:
    """Tables of this version, no leftovers of interrupted uploads."""
    migrate(settings)
    wb = open_workbench(settings)
    try:
        sweep_parts(wb)
    finally:
        wb.close()
