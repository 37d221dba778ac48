"""workbench inspect"""

from __future__ import annotations

from app.cli.bench import open_bench
from app.cli.options import JsonOption, ModelArgument
from app.cli.output import print_json
from app.cli.tables import print_model
from app.engine.records import to_json
from app.services import local


def command(model: ModelArgument, json_output: JsonOption = False) -> None:
    """Say what a model is: inputs, outputs, operators, parameters, arithmetic, and what to know about it."""
    with open_bench() as bench:
        inspected = local.inspect_model(bench, model)
    if json_output:
        print_json({"file": str(model), **to_json(inspected.description)})
    else:
        print_model(inspected)
