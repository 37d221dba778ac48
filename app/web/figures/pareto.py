"""The main chart: accuracy against throughput, every variant with its spread, and the user's limit.

x  throughput, frames per second, of the newest paired comparison with FP32 (else the best cell of the grid, no whisker)
y  top-1 in per cent; without labels the agreement with FP32 in per cent
   whisker: 95 % interval of the *paired* difference to FP32, drawn around the variant's own value

The y axis does not start at 0: points, not bars. A variant without accuracy or speed is not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.numerics.intervals import Interval
from app.engine.tasks.results import Evaluation
from app.services.views import VariantView
from app.web.figures.parts import (
    COLOUR,
    NARROW_MARGIN,
    NARROW_PX,
    TEXT_COLOUR,
    WIDE_PX,
    Json,
    axis,
    escape,
    label,
    layout,
    limit_shapes,
    padded,
    point,
    whisker,
)
from app.web.figures.placing import Box, Mark, place_labels
from app.web.figures.words import short_name
from app.web.filters import change, fps, times

HEIGHT_PX = 430
LEAST_POINTS = 4.0
"""Height of the chart in points at least, so that noise does not fill it."""
CROWDED = 4
"""More labels than this do not fit on a phone with their names."""


@dataclass(frozen=True)
class Spot:
    variant: VariantView
    throughput: Interval
    accuracy: float
    change: Interval | None
    """Paired difference to FP32 in points, positive is better; None for FP32."""
    has_spread: bool


@dataclass(frozen=True)
class _Frame:
    """Data ranges on a plot of so many pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float
    height: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width
        return across, (self.y[1] - y) / (self.y[1] - self.y[0]) * self.height


def pareto(variants: Sequence[VariantView], max_drop: float) -> Json | None:
    """The chart, or None while no variant has both accuracy and speed. `max_drop` in points."""
    spots = [spot for spot in map(spot_of, variants) if spot is not None]
    if not spots:
        return None
    reference = next((spot.accuracy for spot in spots if spot.variant.method == "fp32"), None)
    limit = None if reference is None else reference - max_drop
    xs, ys = _ranges(spots, limit)
    labelled = spots[0].variant.evaluation is not None and spots[0].variant.evaluation.has_labels
    wide = _Frame(xs, ys, WIDE_PX - 84, HEIGHT_PX - 66)
    narrow = _Frame(xs, ys, NARROW_PX - 56, HEIGHT_PX - 56)
    limit_text = (
        "" if limit is None else f"Your limit: {limit:.1f} % (FP32 − {max_drop:g} {'point' if max_drop == 1 else 'points'})"
    )
    y_title = "Top-1 accuracy, %" if labelled else "Agreement with FP32, %"
    drawn = layout(
        axis(f"Throughput, frames per second{_streams(spots)}", range=list(xs), nticks=8),
        axis(y_title, range=list(ys), nticks=7),
        shapes=[] if limit is None else limit_shapes(limit, ys[0]),
        annotations=_notes(spots, wide, limit, limit_text, short=False),
    )
    return {
        "data": [*_front(spots), *(_mark(spot, labelled) for spot in spots)],
        "layout": drawn,
        "narrow": {
            "annotations": _notes(spots, narrow, limit, "" if limit is None else f"limit {limit:.1f} %", short=True),
            "margin": NARROW_MARGIN,
            "xaxis": axis("Throughput, FPS", range=list(xs), nticks=4),
        },
    }


def spot_of(variant: VariantView) -> Spot | None:
    """Where a variant lies, or None when something is not measured yet."""
    evaluation = variant.evaluation
    if evaluation is None or (variant.paired is None and variant.grid is None):
        return None
    if variant.paired is not None:
        throughput, has_spread = variant.paired.throughput_fps, True
    else:
        assert variant.grid is not None
        best = variant.grid.best.throughput_fps
        throughput, has_spread = Interval(best, best, best), False
    return Spot(variant, throughput, accuracy_percent(evaluation), change_of(evaluation), has_spread)


def accuracy_percent(evaluation: Evaluation) -> float:
    """Top-1, or agreement with the reference where there are no labels."""
    return 100 * evaluation.top1.value if evaluation.top1 is not None else 100 * evaluation.agreement / evaluation.n


def change_of(evaluation: Evaluation) -> Interval | None:
    """The paired drop turned into a change: positive is better."""
    if evaluation.top1_drop is None:
        return None
    drop = evaluation.top1_drop.points
    return Interval(-drop.value, -drop.high, -drop.low)


def _streams(spots: Sequence[Spot]) -> str:
    setting = next((spot.variant.paired_setting for spot in spots if spot.variant.paired_setting), None)
    if setting is None:
        return ""
    return f" ({setting.streams} request{'' if setting.streams == 1 else 's'} at a time)"


def _ranges(spots: Sequence[Spot], limit: float | None) -> tuple[tuple[float, float], tuple[float, float]]:
    lows = [spot.accuracy + (spot.change.low - spot.change.value if spot.change else 0) for spot in spots]
    highs = [spot.accuracy + (spot.change.high - spot.change.value if spot.change else 0) for spot in spots]
    if limit is not None and limit > min(lows) - 2 * LEAST_POINTS:  # a limit far below would squash the points
        lows.append(limit)
    lows, highs = [v for v in lows if math.isfinite(v)], [v for v in highs if math.isfinite(v)]
    ys = padded(min(lows), max(highs), below=0.12, above=0.24, least=LEAST_POINTS)
    left, right = min(spot.throughput.low for spot in spots), max(spot.throughput.high for spot in spots)
    xs = padded(left, right, below=0.24, above=0.24, least=0.3 * right)
    return (max(0.0, xs[0]), xs[1]), ys


def _mark(spot: Spot, labelled: bool) -> Json:
    colour = COLOUR[spot.variant.method]
    hover = f"{escape(spot.variant.name)}<br>%{{x:.4~g}} FPS<br>%{{y:.2f}} &#37; {'top-1' if labelled else 'agreement'}"
    return point(
        round(spot.throughput.value, 4),
        round(spot.accuracy, 4),
        colour,
        hover,
        name=escape(spot.variant.name),
        error_x=whisker(spot.throughput if spot.has_spread else None, colour),
        error_y=whisker(spot.change, colour),
    )


def _front(spots: Sequence[Spot]) -> list[Json]:
    """Steps between the variants that no other one beats in both; nothing for fewer than two."""
    best: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (-spot.throughput.value, -spot.accuracy)):
        if not best or spot.accuracy > best[-1].accuracy:
            best.append(spot)
    if len(best) < 2:
        return []
    xs, ys = [round(best[0].throughput.value, 4)], [round(best[0].accuracy, 4)]
    for spot in best[1:]:
        xs += [round(spot.throughput.value, 4)] * 2
        ys += [ys[-1], round(spot.accuracy, 4)]
    line = {"color": "$line-strong", "width": 1.5, "dash": "dot"}
    return [{"type": "scatter", "mode": "lines", "x": xs, "y": ys, "line": line, "hoverinfo": "skip"}]


def _notes(spots: Sequence[Spot], frame: _Frame, limit: float | None, limit_text: str, *, short: bool) -> list[Json]:
    size = 11.5 if short else 12.5
    notes: list[Json] = []
    taken: list[Box] = []
    if not short:
        corner: Json = {"xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "top"}
        notes.append(label(0.995, 0.985, "better ↗", "$muted", **corner))
        taken.append((frame.width - 70, 0, frame.width, 24))
    if limit is not None:
        notes.append(label(0.01, limit, escape(limit_text), xref="paper", yanchor="bottom", size=size))
        _, y = frame.place(0, limit)
        taken += [(0, y - 20, 7 * len(limit_text) + 10, y), (0, y - 2, frame.width, y + 2)]
    marks = [_as_mark(spot, frame, spot_text(spot, short=short, crowded=short and len(spots) > CROWDED)) for spot in spots]
    for spot, mark, place in zip(
        spots, marks, place_labels(marks, width=frame.width, height=frame.height, taken=taken), strict=True
    ):
        anchored = {"xanchor": place.xanchor, "yanchor": place.yanchor, "xshift": place.xshift, "yshift": place.yshift}
        align = {"left": "left", "right": "right", "center": "center"}[place.xanchor]
        made = label(
            round(spot.throughput.value, 4), round(spot.accuracy, 4), mark.text, TEXT_COLOUR[spot.variant.method], size=size
        )
        made["font"]["weight"] = 400 if spot.variant.method == "fp32" else 600
        notes.append({**made, **anchored, "align": align})
    return notes


def _as_mark(spot: Spot, frame: _Frame, text: str) -> Mark:
    x, y = frame.place(spot.throughput.value, spot.accuracy)
    bars: list[Box] = []
    if spot.change is not None:
        _, top = frame.place(0, spot.accuracy + spot.change.high - spot.change.value)
        _, bottom = frame.place(0, spot.accuracy + spot.change.low - spot.change.value)
        bars.append((x - 4, top, x + 4, bottom))
    if spot.has_spread:
        left, _ = frame.place(spot.throughput.low, 0)
        right, _ = frame.place(spot.throughput.high, 0)
        bars.append((left, y - 4, right, y + 4))
    return Mark(x, y, text, tuple(bars))


def spot_text(spot: Spot, *, short: bool, crowded: bool) -> str:
    """Name and ratio; below it the change with its interval, or the speed where there is no comparison.

    short: name over ratio; crowded: the ratio alone, since colour and table say the rest.
    """
    variant = spot.variant
    name = escape(short_name(variant))
    if variant.method == "fp32":
        return name if short else f"{name}<br>{fps(spot.throughput.value)} FPS"
    speed = times(variant.paired.speedup.value) if variant.paired else f"{fps(spot.throughput.value)} FPS"
    if short:
        return speed if crowded else f"{name}<br>{speed}"
    drop = variant.evaluation.top1_drop if variant.evaluation else None
    return f"{name}  {speed}" + (f"<br>{change(drop.points)} points" if drop else "")
