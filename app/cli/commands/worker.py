"""workbench worker"""

from __future__ import annotations

from typing import Annotated

import typer

from app.settings import Settings


def command(name: Annotated[str | None, typer.Option(help="What people call it [default: the host's name].")] = None) -> None:
    """Do the work of the queue, beside a server on the same data folder or database."""
    from app.worker.main import run_worker  # brings DBOS: not needed by any other command

    run_worker(Settings(), name)
