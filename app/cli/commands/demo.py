"""workbench demo"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from app.cli.commands.serve import HostOption, PortOption
from app.cli.demo import DemoThread
from app.cli.server import Server, listen, settings_for
from app.cli.stopping import unwind_on_sigterm


def command(
    host: HostOption = None,
    port: PortOption = None,
    exit_when_done: Annotated[bool, typer.Option("--exit", help="Stop after printing the URL of the comparison.")] = False,
) -> None:
    """Start the server and take the example from baseline to INT8 AccuracyAware, through the queue, as a user would."""
    settings = settings_for(host, port)
    listening = listen(settings)
    print(f"INT8 Workbench: {listening.url}  (data in {settings.data.absolute()}; Ctrl-C stops it)", flush=True)
    unwind_on_sigterm()
    server = Server(settings, listening, with_worker=True)
    thread = DemoThread(settings, server, listening.url, exit_when_done=exit_when_done)
    thread.start()
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    finally:
        thread.end()
    if thread.error is not None:
        raise thread.error
