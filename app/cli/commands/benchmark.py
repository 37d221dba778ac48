"""workbench benchmark"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.bench import open_bench, parse_numbers, parse_size
from app.cli.options import JsonOption, RuntimeOption, SizeOption
from app.cli.output import print_json
from app.cli.tables import print_benchmark
from app.engine.benchmark.grid import make_grid
from app.engine.benchmark.results import Cell, GridResult, PairedResult
from app.services import local
from app.services.local_results import latency_json, with_ci95


def command(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL [OTHER_MODEL]...", help="ONNX files; the first is the reference.")
    ],
    streams: Annotated[
        str | None, typer.Option(metavar="N,N", help="Requests at a time [default: 1 and one per core].")
    ] = None,
    batch: Annotated[str, typer.Option(metavar="N,N", help="Samples per request.")] = "1,8",
    seconds: Annotated[float, typer.Option(help="Per setting and model.")] = 10.0,
    size: SizeOption = None,
    runtime: RuntimeOption = "onnxruntime",  # noqa: ARG001 - one so far
    json_output: JsonOption = False,
) -> None:
    """Measure throughput and latency on random inputs; several models are measured in turns as well."""
    asked_size = parse_size(size)
    batches = parse_numbers(batch, "--batch")
    for model in models:
        local.existing(model)
    with open_bench() as bench:
        cores = bench.settings.usable_cores
        grid = make_grid(cores, parse_numbers(streams, "--streams") if streams else tuple({1: None, cores: None}), batches)
        opened = [local.inspect_model(bench, model) for model in models]
        results = [local.benchmark(bench, model, grid, seconds, asked_size) for model in opened]
        pairs = []
        if len(opened) > 1:
            common = [cell.setting for cell in results[0].cells if all(_has(result, cell) for result in results[1:])]
            pairs = [local.compare(bench, opened, setting, seconds * len(opened), asked_size) for setting in common]
    if json_output:
        print_json(as_json(models, results, pairs))
    else:
        print_benchmark(models, results, pairs)


def as_json(models: Sequence[Path], results: Sequence[GridResult], pairs: Sequence[PairedResult]) -> dict[str, Any]:
    return {
        "models": [
            {
                "file": str(model),
                "size_bytes": model.stat().st_size,
                "load_ms": result.load_ms,
                "first_ms": result.first_ms,
                "peak_memory_mb": result.peak_memory_mb,
                "cells": [_cell(cell) for cell in result.cells],
            }
            for model, result in zip(models, results, strict=True)
        ],
        "comparisons": [_pair(models, pair) for pair in pairs],
        "device": asdict(results[0].environment.device),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        **asdict(cell.setting),
        "throughput_fps": cell.throughput_fps,
        "latency_ms": latency_json(cell.latency_ms),
        "n": cell.latency_ms.n,
    }


def _pair(models: Sequence[Path], pair: PairedResult) -> dict[str, Any]:
    """Against the first model."""
    return {
        **asdict(pair.setting),
        "rounds": pair.rounds,
        "models": [
            {
                "file": str(models[int(variant.name)]),
                "throughput_fps": with_ci95(variant.throughput_fps),
                "latency_ms": latency_json(variant.latency_ms),
                "speedup": with_ci95(variant.speedup),
            }
            for variant in pair.variants
        ],
    }


def _has(result: GridResult, cell: Cell) -> bool:
    return any(other.setting == cell.setting for other in result.cells)
