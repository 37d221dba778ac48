"""workbench optimize"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli import quantization as options
from app.cli.bench import open_bench, parse_size
from app.cli.options import DatasetOption, JsonOption, ModelArgument, PreprocessingOption, RuntimeOption, SizeOption
from app.cli.output import print_json, print_note
from app.cli.tables import print_optimization
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.errors import WorkbenchError
from app.services import local
from app.services.local_results import as_json, report, saying, variant_views
from app.services.plans import check_possible


def command(
    model: ModelArgument,
    dataset: DatasetOption,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets model.onnx, recipe.json, preprocessing.json, report.html.")],
    preprocessing: PreprocessingOption = "auto",
    method: options.MethodOption = None,
    max_drop: options.MaxDropOption = None,
    drop_type: options.DropTypeOption = None,
    preset: options.PresetOption = None,
    subset: options.SubsetOption = None,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    precision: options.PrecisionOption = None,
    weight_granularity: options.GranularityOption = None,
    weight_bits: options.WeightBitsOption = None,
    activations: options.ActivationsOption = None,
    range_estimator: options.EstimatorOption = None,
    keep_float: options.KeepFloatOption = None,
    effort: options.EffortOption = None,
    no_rounding: options.NoRounding = False,
    no_bias_correction: options.NoBiasCorrection = False,
    no_alignment: options.NoAlignment = False,
    no_speed_aware: options.NoSpeedAware = False,
    size: SizeOption = None,
    runtime: RuntimeOption = "onnxruntime",  # noqa: ARG001 - one so far
    json_output: JsonOption = False,
) -> None:
    """Make an INT8 model and measure what it gains and costs. Needs no server and no database."""
    settings, pot_notes = options.choose_settings(
        config,
        {
            "method": method,
            "max_drop": max_drop,
            "drop_type": drop_type,
            "preset": preset,
            "subset_size": subset,
            "seed": seed,
            "precision": precision,
            "weight_granularity": weight_granularity,
            "weight_bits": None if weight_bits is None else int(weight_bits),
            "activations": activations,
            "range_estimator": range_estimator,
            "keep_float": tuple(keep_float) if keep_float else None,
            "effort": effort,
            "rounding": False if no_rounding else None,
            "bias_correction": False if no_bias_correction else None,
            "alignment": False if no_alignment else None,
            "speed_aware": False if no_speed_aware else None,
        },
    )
    for text in pot_notes:
        print_note(text)
    _run(model, dataset, out, preprocessing, settings, size, json_output=json_output)


def _run(
    model: Path,
    dataset: Path,
    out: Path,
    preprocessing: str,
    settings: QuantizationSettings,
    size: str | None,
    *,
    json_output: bool,
) -> None:
    asked_size, asked_preprocessing = parse_size(size), local.read_preprocessing(preprocessing)
    local.existing(dataset)
    local.existing(model)
    _make_folder(out)
    with open_bench(near=out) as bench:
        inspected = local.inspect_model(bench, model)
        check_possible(inspected.description, inspected.name)
        project = local.open_project(bench, inspected, dataset, asked_preprocessing, asked_size)
        result = local.optimize(bench, project, settings)
        now = datetime.now(UTC)
        views = variant_views(result, now)
        _write(out, result, report(result, views, bench.seconds, now))
        seconds = dict(bench.seconds)
        answer = as_json(result, {"original": model, "optimized": out / "model.onnx"}, bench.seconds, bench.peak_memory_mb)
    for notice in result.notices:
        print_note(notice.message)
    if json_output:
        print_json(answer)
    else:
        print_optimization(views, saying(result, views), out, seconds)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder cannot be made: {error.strerror}."
        raise WorkbenchError("out.not_writable", message, where=str(out)) from error


def _write(out: Path, result: local.LocalOptimization, html: str) -> None:
    """Each file is whole or not there."""
    _put_text(out / "recipe.json", json.dumps(to_json(result.outcome.recipe), indent=1, ensure_ascii=False) + "\n")
    _put_text(
        out / "preprocessing.json",
        json.dumps(to_json(result.project.inputs.preprocessing), indent=1, ensure_ascii=False) + "\n",
    )
    _put_text(out / "report.html", html)
    part = out / ".model.onnx.part"
    shutil.copyfile(result.outcome.optimized.model.path, part)
    part.replace(out / "model.onnx")


def _put_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
