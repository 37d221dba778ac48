"""workbench evaluate"""

from __future__ import annotations

from app.cli.bench import open_bench, parse_size
from app.cli.options import DatasetOption, JsonOption, ModelArgument, PreprocessingOption, RuntimeOption, SizeOption
from app.cli.output import print_json
from app.cli.tables import print_evaluation
from app.engine.records import to_json
from app.services import local
from app.services.local_results import accuracy_json


def command(
    model: ModelArgument,
    dataset: DatasetOption,
    preprocessing: PreprocessingOption = "auto",
    size: SizeOption = None,
    runtime: RuntimeOption = "onnxruntime",  # noqa: ARG001 - one so far
    json_output: JsonOption = False,
) -> None:
    """Measure the accuracy of a model on every labelled sample of a dataset."""
    asked_size, asked_preprocessing = parse_size(size), local.read_preprocessing(preprocessing)
    local.existing(dataset)
    with open_bench() as bench:
        inspected = local.inspect_model(bench, model)
        project = local.open_project(bench, inspected, dataset, asked_preprocessing, asked_size)
        evaluation = local.evaluate(bench, project)
    if not json_output:
        print_evaluation(project, evaluation)
        return
    top1 = evaluation.top1
    print_json(
        {
            "file": str(model),
            "accuracy": accuracy_json(evaluation),
            "top1_ci95": None if top1 is None else [top1.low, top1.high],
            "n": evaluation.n,
            "labelled": evaluation.labelled,
            "preprocessing": to_json(project.inputs.preprocessing),
            "task": to_json(project.inputs.task),
            "seconds": {label: round(value, 3) for label, value in bench.seconds.items()},
            "peak_memory_mb": round(bench.peak_memory_mb, 1),
        }
    )
