"""Bars of the report as numbers for inline SVG: no script, no picture files. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.engine.benchmark.results import Latency
from app.engine.numerics.intervals import Interval
from app.services import wording
from app.services.views import VariantView

LABEL_PX, BAR_PX, VALUE_PX, ROW_PX = 152, 140, 168, 34
WIDTH_PX = LABEL_PX + BAR_PX + VALUE_PX
COLOUR = {"fp32": "fp32", "int8-default": "int8", "int8-accuracy-aware": "aa"}


@dataclass(frozen=True)
class Bar:
    name: str
    colour: str
    """Class of the method."""
    value: str
    """As read: `573 FPS, 1.80×`."""
    y: int
    width: float
    low: float | None
    """End of the whisker, px from the left of the picture; None without an interval."""
    high: float


@dataclass(frozen=True)
class Chart:
    title: str
    note: str
    bars: tuple[Bar, ...]

    @property
    def height(self) -> int:
        return ROW_PX * len(self.bars)


@dataclass(frozen=True)
class _Value:
    variant: VariantView
    interval: Interval
    text: str


def report_charts(variants: Sequence[VariantView]) -> tuple[Chart, ...]:
    """Throughput, latency, accuracy, size of these variants, the reference first; a chart without any value is left out."""
    charts = (
        _chart("Throughput: higher is better", "Frames per second, 95 % interval.", variants, _throughput),
        _chart("Latency: lower is better", "Median of single requests.", variants, _latency),
        _chart("Top-1 accuracy: higher is better", "95 % interval of each alone; pairs differ by less.", variants, _top1),
        _chart("Size: smaller is better", "Bytes on disk.", variants, _size),
    )
    return tuple(chart for chart in charts if chart.bars)


def _chart(title: str, note: str, variants: Sequence[VariantView], of: Callable[[VariantView], _Value | None]) -> Chart:
    values = [value for variant in variants if (value := of(variant)) is not None]
    largest = max((value.interval.high for value in values), default=0.0) or 1.0
    return Chart(title, note, tuple(_bar(index, value, largest) for index, value in enumerate(values)))


def _bar(index: int, value: _Value, largest: float) -> Bar:
    def scaled(x: float) -> float:
        return round(BAR_PX * max(x, 0.0) / largest, 1)

    interval = value.interval
    has_width = interval.high > interval.low
    return Bar(
        name=value.variant.name,
        colour=COLOUR[value.variant.method],
        value=value.text,
        y=index * ROW_PX,
        width=scaled(interval.value),
        low=LABEL_PX + scaled(interval.low) if has_width else None,
        high=LABEL_PX + scaled(interval.high),
    )


def _throughput(variant: VariantView) -> _Value | None:
    if variant.paired is not None:
        speed = variant.paired.throughput_fps
        ratio = "" if variant.method == "fp32" else f", {variant.paired.speedup.value:.2f}×"
        return _Value(variant, speed, f"{wording.fps(speed.value)}{ratio}")
    if variant.grid is None:
        return None
    best = variant.grid.best.throughput_fps
    return _Value(variant, Interval(best, best, best), wording.fps(best))


def latency_of(variant: VariantView) -> Latency | None:
    """Of the paired comparison, else of the fastest cell of the grid."""
    if variant.paired is not None:
        return variant.paired.latency_ms
    return None if variant.grid is None else variant.grid.best.latency_ms


def _latency(variant: VariantView) -> _Value | None:
    latency = latency_of(variant)
    if latency is None:
        return None
    text = f"{wording.milliseconds(latency.p50)} (99 %: {wording.milliseconds(latency.p99).removesuffix(' ms')})"
    return _Value(variant, Interval(latency.p50, latency.p50, latency.p50), text)


def _top1(variant: VariantView) -> _Value | None:
    evaluation = variant.evaluation
    if evaluation is None or evaluation.top1 is None:
        return None
    drop = evaluation.top1_drop
    text = wording.percent(evaluation.top1.value)
    return _Value(variant, evaluation.top1, text if drop is None else f"{text}, {wording.change(drop.points)}")


def _size(variant: VariantView) -> _Value:
    size = float(variant.size_bytes)
    text = wording.size(size) if variant.method == "fp32" else f"{wording.size(size)}, {variant.size_ratio:.2f}×"
    return _Value(variant, Interval(size, size, size), text)
