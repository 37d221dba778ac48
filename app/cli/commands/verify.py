"""workbench verify"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.options import JsonOption
from app.cli.output import EXIT_NO, print_json
from app.errors import WorkbenchError
from app.settings import Settings
from app.storage.blobs import BlobReport, BlobStore
from app.storage.database import Database


def command(
    quick: Annotated[bool, typer.Option("--quick", help="Compare names and sizes only, without reading every byte.")] = False,
    json_output: JsonOption = False,
) -> int:
    """Read every stored file again and compare it with its name. Exit code 1 when something is missing or damaged."""
    settings = Settings()
    if not settings.database_url and not (settings.data / "workbench.sqlite3").exists():
        message = "There is no workbench data in this folder."
        raise WorkbenchError("verify.no_data", message, where=str(settings.data), hint="WORKBENCH_DATA names the folder.")
    database = Database(settings.sqlalchemy_url)
    try:
        report = BlobStore(settings.blobs).verify(database, content=not quick)
    finally:
        database.close()
    if json_output:
        print_json({"ok": report.ok, **asdict(report)})
    else:
        _print(report)
    return 0 if report.ok else EXIT_NO


def _print(report: BlobReport) -> None:
    print(f"{report.checked} files checked: {'all as they should be' if report.ok else 'NOT all as they should be'}.")
    for word, names in (("missing", report.missing), ("damaged", report.wrong), ("unnamed, harmless", report.extra)):
        for name in names:
            print(f"  {word}: {name}")
