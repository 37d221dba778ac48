"""The measured figures as tables for the README."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmarks.quantization.files import OPTIMIZED_TWIN, CaseRows, Row
from benchmarks.quantization.jobs import CaseJobs, Job
from benchmarks.quantization.tools import Speed
from benchmarks.readme import table

MB = 1e6


def classifiers(found: Sequence[CaseRows], threads: Sequence[int]) -> str:
    heads = [
        "network, file",
        "top-1 FP32 / INT8",
        "agreement %",
        "SQNR dB",
        "gain dB",
        "size",
        *_speed_heads(threads),
        "literal dB",
    ]
    rows = []
    for case in found:
        for row in case.rows:
            gain = (
                ""
                if not row.ours or row.accuracy.sqnr_db is None
                else _signed(row.accuracy.sqnr_db - (case.better_peer_db or math.nan))
            )
            accuracy = [
                f"{case.fp32_score:.1f} / {row.accuracy.score:.1f}",
                f"{row.accuracy.agreement:.1f}",
                _number(row.accuracy.sqnr_db, 2),
                gain,
            ]
            rows.append([f"{case.case.name}, {row.label}", *accuracy, f"{row.size_ratio:.3f}", *_speeds(row, threads)])
    return table(heads, rows)


def tasks(found: Sequence[CaseRows], threads: Sequence[int]) -> str:
    heads = ["network, file", "mAP or mIoU FP32 / INT8", "change", "size", *_speed_heads(threads), "literal dB"]
    rows = []
    for case in found:
        for row in case.rows:
            scores = [f"{case.fp32_score:.3f} / {row.accuracy.score:.3f}", _signed(row.accuracy.score - case.fp32_score, 3)]
            rows.append([f"{case.case.name}, {row.label}", *scores, f"{row.size_ratio:.3f}", *_speeds(row, threads)])
    return table(heads, rows)


def mean_gain(found: Sequence[CaseRows]) -> str:
    gains = []
    for case in found:
        row = case.row("ours, default")
        if row is not None and row.accuracy.sqnr_db is not None and case.better_peer_db is not None:
            gains.append(row.accuracy.sqnr_db - case.better_peer_db)
    mean = sum(gains) / len(gains)
    return f"Gain of the default effort over the better peer: {mean:+.2f} dB on average, {min(gains):+.2f} at least."


def summary(found: Sequence[CaseRows], threads: Sequence[int]) -> str:
    """Geometric means over all networks."""
    rows = []
    for label in ("ours, default", "ours, fast"):
        for n in threads:
            mine = [case.row(label) for case in found]
            twins = [case.row(OPTIMIZED_TWIN) for case in found]
            over_twin = [
                row.speed[n].value / twin.speed[n].value for row, twin in zip(mine, twins, strict=True) if row and twin
            ]
            over_peer = [row.over_peer[n].value for row in mine if row]
            over_fp32 = [row.speed[n].value for row in mine if row]
            means = [_mean_and_least(over_fp32), _mean_and_least(over_twin), _mean_and_least(over_peer)]
            rows.append([f"{label}, {n} thread{'s' * (n > 1)}", *means])
    return table(["file", "over FP32", "over FP32 with the same rewrites", "over the fastest peer's file"], rows)


def kernels(found: Sequence[CaseRows]) -> str:
    """What the recipes of the default effort say."""
    rows = []
    for case in found:
        recipe = case.made["default"].recipe
        report = recipe.get("kernels") or {}
        share = report.get("integer_multiply_adds")
        rows.append(
            [
                case.case.name,
                "–" if share is None else f"{100 * share:.1f}",
                report.get("integer_kernels", "–"),
                report.get("float_kernels", "–"),
                report.get("conversions", "–"),
                len(report.get("surprises", ())) if report else "–",
                len(recipe.get("kept_in_float", {})),
                ", ".join(sorted({rewrite["name"] for rewrite in recipe.get("rewrites", ())})) or "–",
            ]
        )
    heads = [
        "network",
        "multiply-adds in INT8 %",
        "integer kernels",
        "float kernels",
        "conversions",
        "surprises",
        "nodes in float",
    ]
    return table([*heads, "rewrites"], rows)


def jobs(found: Sequence[CaseJobs]) -> str:
    rows = []
    for case in found:
        base = case.job("ort-minmax").seconds
        for job in case.jobs:
            cells = [job.samples, f"{job.seconds:.1f}", f"{job.seconds / base:.2f}", f"{job.peak_memory_mb:.0f}"]
            rows.append([f"{case.case.name}, {job.label}", *cells, _steps(job.steps)])
    return table(["network, job", "samples", "seconds", "× ort-minmax", "peak MB", "seconds by step"], rows)


def memory(name: str, found: Sequence[Job], model_bytes: int) -> str:
    base = found[0].peak_memory_mb
    rows = [
        [
            f"{name}, {job.samples} samples",
            f"{job.peak_memory_mb:.0f}",
            f"{job.peak_memory_mb / base:.3f}",
            f"{job.peak_memory_mb - model_bytes / MB:.0f}",
            _steps(job.step_memory_mb, digits=0),
        ]
        for job in found
    ]
    return table(["job", "peak MB", "ratio", "above the model MB", "by step"], rows)


def _speed_heads(threads: Sequence[int]) -> list[str]:
    counted = [f"{n} thread{'s' * (n > 1)}" for n in threads]
    return [*(f"× FP32, {words}" for words in counted), *(f"× fastest peer, {words}" for words in counted)]


def _speeds(row: Row, threads: Sequence[int]) -> list[str]:
    over_peer = [_interval(row.over_peer[n]) if n in row.over_peer else "" for n in threads]
    return [*(_interval(row.speed[n]) for n in threads), *over_peer, _number(row.literal_db, 1)]


def _interval(speed: Speed) -> str:
    return f"{speed.value:.2f} [{speed.low:.2f}, {speed.high:.2f}]"


def _mean_and_least(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return "–"
    return f"{math.exp(sum(map(math.log, found)) / len(found)):.2f} (least {min(found):.2f})"


def _steps(values: dict[str, float], digits: int = 1) -> str:
    return ", ".join(f"{step} {value:.{digits}f}" for step, value in values.items())


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}"
