"""workbench serve"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from app.cli.server import Server, listen, settings_for
from app.cli.stopping import unwind_on_sigterm

HostOption = Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one [default: 8000].")]


def command(
    host: HostOption = None,
    port: PortOption = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Only the pages; workers run elsewhere.")] = False,
) -> None:
    """Start the pages, the API and one worker. Ctrl-C stops them; nothing is lost."""
    settings = settings_for(host, port)
    listening = listen(settings)
    print(f"INT8 Workbench: {listening.url}  (data in {settings.data.absolute()}; Ctrl-C stops it)", flush=True)
    unwind_on_sigterm()
    with suppress(KeyboardInterrupt):
        Server(settings, listening, with_worker=not no_worker).run()
