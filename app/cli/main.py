"""`workbench`: the command line. Everything a page can do to a model, and the server itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports onnxruntime

import typer
from typer.exceptions import TyperException

from app.cli.commands import benchmark, demo, evaluate, inspect, optimize, serve, verify, worker
from app.cli.output import EXIT_INTERRUPTED, EXIT_REFUSED, print_error
from app.errors import WorkbenchError

app = typer.Typer(
    name="workbench",
    help="Makes trained ONNX networks fast on ordinary CPUs without losing their accuracy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[str, Callable[..., Any]] = {
    "optimize": optimize.command,
    "benchmark": benchmark.command,
    "evaluate": evaluate.command,
    "inspect": inspect.command,
    "serve": serve.command,
    "worker": worker.command,
    "demo": demo.command,
    "verify": verify.command,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def main(arguments: list[str] | None = None) -> None:
    """Exit code 0; 1: the answer is no (verify); 2: refused, with the reason on stderr; 130: Ctrl-C."""
    sys.exit(run(arguments if arguments is not None else sys.argv[1:]))


def run(arguments: list[str]) -> int:
    try:
        return app(args=arguments, prog_name="workbench", standalone_mode=False) or 0
    except WorkbenchError as error:
        print_error(error)
    except TyperException as error:
        refusal = WorkbenchError("usage", f"{error.format_message().rstrip('.')}.", hint="workbench COMMAND --help shows all.")
        print_error(refusal)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    return EXIT_REFUSED
