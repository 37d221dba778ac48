"""Results for people: a sentence first, then a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.engine.benchmark.results import GridResult, PairedResult
from app.engine.graph.description import TensorInfo
from app.engine.preprocessing.presets import describe
from app.engine.tasks.results import Evaluation
from app.services import wording
from app.services.done import Done, what_was_done
from app.services.local import LocalModel, LocalProject
from app.services.report_charts import latency_of
from app.services.sentences import Saying, limit_words
from app.services.views import VariantView

SHOWN_NODES = 3
"""Nodes named per reason; the rest is counted."""
SHOWN_NOISE = 5


def print_optimization(views: Sequence[VariantView], said: Saying, out: Path, seconds: Mapping[str, float]) -> None:
    console = _console()
    console.print(said.sentence, markup=False)
    if said.detail:
        console.print(said.detail, markup=False)
    table = _table("", *(view.name for view in views))
    table.add_row("Throughput", *(_throughput(view) for view in views))
    table.add_row("Latency, median", *(_latency(view) for view in views))
    table.add_row("Top-1", *(_top1(view) for view in views))
    table.add_row("Size", *(f"{wording.size(view.size_bytes)} ({view.size_ratio:.2f}×)" for view in views))
    limit = views[-1].limit
    if limit is not None and views[-1].method == "int8-accuracy-aware":
        table.add_row("Limit", "", limit_words(limit))
    twin = views[-1].twin
    if twin is not None:
        speed = f"{wording.fps(twin.throughput_fps.value)} ({wording.ratio(twin.speedup)})"
        table.add_row("FP32, same rewrites", speed, "")
    console.print(table)
    if views[-1].recipe is not None:
        print_done(console, what_was_done(views[-1].recipe, seconds))
    console.print(f"Written: {out}/model.onnx, recipe.json, preprocessing.json, report.html", markup=False)


def print_done(console: Console, done: Done) -> None:
    """What was done: kernels, rewrites, nodes in float with reasons, noise, time of each step. The report has all of it."""

    def say(text: str) -> None:
        console.print(text, markup=False)

    say("")
    if done.settings:
        say(f"Asked for: {', '.join(done.settings)}")
    if done.integer_share:
        say(f"In integer kernels: {done.integer_share} of the multiply-adds")
    for sentence in done.kernels:
        say(f"  {sentence}")
    for name, nodes in done.rewrites:
        say(f"Rewritten, exactly: {name} ({len(nodes)})")
    say(f"Left in float: {wording.count(done.kept_nodes)} of {wording.count(done.nodes)} nodes")
    for group in done.kept:
        names = ", ".join(node.name for node in group.nodes[:SHOWN_NODES])
        rest = len(group.nodes) - SHOWN_NODES
        say(f"  {len(group.nodes)} × {group.reason}: {names}{f' and {rest} more' if rest > 0 else ''}")
    if done.noise:
        noise = _table("Noise, each group alone", "Share", "What was done")
        for row in done.noise[:SHOWN_NOISE]:
            noise.add_row(escape(f"{row.node} ({row.op_type})"), row.percent, escape(row.action or "–"))
        console.print(noise)
    steps = _table("Step", "Time")
    for label, time in done.seconds:
        steps.add_row(label, time)
    console.print(steps)


def print_benchmark(models: Sequence[Path], results: Sequence[GridResult], pairs: Sequence[PairedResult]) -> None:
    console = _console()
    table = _table("Model", "Setting", "Throughput", "Median", "99 %", "n")
    for model, result in zip(models, results, strict=True):
        for cell in result.cells:
            s, latency = cell.setting, cell.latency_ms
            table.add_row(
                model.name,
                f"{s.streams} × {s.threads} threads, batch {s.batch}",
                wording.fps(cell.throughput_fps),
                wording.milliseconds(latency.p50),
                wording.milliseconds(latency.p99),
                wording.count(latency.n),
            )
    console.print(table)
    for pair in pairs:
        s = pair.setting
        together = _table(f"In turns, {s.streams} × {s.threads} threads, batch {s.batch}", "Throughput", "Speed-up, 95 %")
        for variant in pair.variants:
            name = models[int(variant.name)].name
            together.add_row(name, wording.fps(variant.throughput_fps.value), wording.ratio(variant.speedup))
        console.print(together)


def print_evaluation(project: LocalProject, evaluation: Evaluation) -> None:
    console = _console()
    console.print(f"Images become inputs by: {describe(project.inputs.preprocessing)}", markup=False)
    if evaluation.top1 is None or evaluation.top5 is None:
        console.print(f"{wording.images(evaluation.n)} without labels: no accuracy to tell.")
        return
    low, high = (f"{100 * bound:.1f}" for bound in (evaluation.top1.low, evaluation.top1.high))
    console.print(
        f"Top-1 {wording.percent(evaluation.top1.value)} ({low} to {high} %), top-5 {wording.percent(evaluation.top5.value)} "
        f"on {wording.images(evaluation.labelled)}."
    )


def print_model(model: LocalModel) -> None:
    d = model.description
    table = Table(show_header=False, box=None)
    for tensor in d.inputs:
        table.add_row("Input", _tensor(tensor))
    for tensor in d.outputs:
        table.add_row("Output", _tensor(tensor))
    table.add_row("Precision", d.precision)
    table.add_row("Parameters", wording.count(d.parameters))
    table.add_row("Multiply-adds", "unknown" if d.multiply_adds is None else wording.count(d.multiply_adds))
    table.add_row("Opset, producer", f"{d.opset}, {d.producer or 'unknown'}")
    table.add_row("Size", wording.size(d.size_bytes))
    table.add_row("Operators", ", ".join(f"{count} {op_type}" for op_type, count in d.operators.items()))
    console = _console()
    console.print(table)
    for notice in d.notices:
        console.print(f"note: {notice.message} {notice.hint}".rstrip(), markup=False)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _tensor(tensor: TensorInfo) -> str:
    shape = " × ".join("?" if size is None else str(size) for size in tensor.shape) or "scalar"
    return f"{tensor.name}: {tensor.dtype}, {shape}"


def _throughput(view: VariantView) -> str:
    if view.paired is None:
        return "–"
    speed = wording.fps(view.paired.throughput_fps.value)
    return speed if view.method == "fp32" else f"{speed} ({wording.ratio(view.paired.speedup)})"


def _latency(view: VariantView) -> str:
    latency = latency_of(view)
    return "–" if latency is None else wording.milliseconds(latency.p50)


def _top1(view: VariantView) -> str:
    evaluation = view.evaluation
    if evaluation is None:
        return "–"
    if evaluation.top1 is None:
        return f"same answer on {evaluation.agreement} of {evaluation.n}"
    drop = evaluation.top1_drop
    text = wording.percent(evaluation.top1.value)
    return text if drop is None else f"{text} ({wording.change(drop.points)} points)"
