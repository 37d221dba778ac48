"""The four charts of a comparison. Rows are variants, the reference first; names are tick labels, not categories,
so that two variants of one name stay two rows. No <b> in labels: Plotly writes a style attribute for it, which is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.services.views import VariantView
from app.web.figures.pareto import accuracy_percent, change_of, spot_of
from app.web.figures.parts import COLOUR, FONT, Json, axis, escape, label, layout, padded, whisker
from app.web.figures.words import short_name
from app.web.filters import change, fps, times

LEFT_PX = 24
"""Grows with the names (automargin)."""
LINE_CHARS = 17
"""Longer names break into two lines, so that the bars keep their room."""
ROOM, NARROW_ROOM = 1.55, 1.95
"""The axis ends at the largest value times this: the label stands beside the bar."""


def throughput_bars(variants: Sequence[VariantView]) -> Json | None:
    """Frames per second with the 95 % interval; ratio to FP32 in bold where it was compared."""
    rows = [(variant, spot) for variant in variants if (spot := spot_of(variant)) is not None]
    if not rows:
        return None
    colours = [COLOUR[variant.method] for variant, _ in rows]
    spread = [spot.throughput if spot.has_spread else None for _, spot in rows]
    values = [round(spot.throughput.value, 4) for _, spot in rows]
    bars = {
        **_bars(values, colours, [f"{escape(variant.name)}: %{{x:.4~g}} FPS" for variant, _ in rows]),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [0 if i is None else round(i.high - i.value, 4) for i in spread],
            "arrayminus": [0 if i is None else round(i.value - i.low, 4) for i in spread],
            "color": "$ink",
            "thickness": 1.4,
            "width": 5,
        },
    }
    notes = [
        label(
            max(spot.throughput.high, spot.throughput.value),
            n,
            _speed_text(variant, spot.throughput.value),
            weight=560,
            xshift=8,
        )
        for n, (variant, spot) in enumerate(rows)
    ]
    return _horizontal([bars], [v for v, _ in rows], notes, "Frames per second", max(s.throughput.high for _, s in rows))


def latency_marks(variants: Sequence[VariantView]) -> Json | None:
    """Median, 90 % and 99 % of single requests."""
    rows = [(variant, latency) for variant in variants if (latency := latency_of(variant)) is not None]
    if not rows:
        return None
    data: list[Json] = []
    notes, short = [], []
    for n, (variant, latency) in enumerate(rows):
        colour = COLOUR[variant.method]
        marks = {"size": [14, 11, 11], "symbol": ["circle", "line-ns", "triangle-right"], "color": colour, "opacity": 1}
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [latency.p50, latency.p90, latency.p99],
                "y": [n, n, n],
                "line": {"color": colour, "width": 3},
                "marker": {**marks, "line": {"width": [0, 3, 0], "color": colour}},
                "hovertemplate": f"{escape(variant.name)}: %{{x:.2f}} ms<extra></extra>",
            }
        )
        all_three = f"{latency.p50:.1f} / {latency.p90:.1f} / {latency.p99:.1f} ms"
        notes.append(label(latency.p99, n, all_three, weight=560, xshift=12))
        short.append(label(latency.p99, n, f"{latency.p50:.1f} ms", weight=560, xshift=12))
    largest = max(latency.p99 for _, latency in rows)
    title = "Milliseconds per request  (● median   | 90 &#37;   ▸ 99 &#37;)"
    made = _horizontal(data, [v for v, _ in rows], notes, title, largest, short_title="ms  (● median  | 90 &#37;  ▸ 99 &#37;)")
    made["narrow"]["annotations"] = short
    return made


def accuracy_bars(variants: Sequence[VariantView], reference: VariantView, max_drop: float) -> Json | None:
    """Difference to FP32 on the same images in points, with its interval and the user's limit."""
    rows = [variant for variant in variants if variant.evaluation is not None]
    if not rows:
        return None
    data: list[Json] = []
    notes: list[Json] = []
    ends = [0.0, -max_drop]
    for n, variant in enumerate(rows):
        assert variant.evaluation is not None
        difference, colour = change_of(variant.evaluation), COLOUR[variant.method]
        value = 0.0 if difference is None else round(difference.value, 4)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [value],
                "y": [n],
                "marker": {"size": 14, "color": colour, "opacity": 1},
                "error_x": whisker(difference, colour, thickness=3, width=7),
                "hovertemplate": f"{escape(variant.name)}: %{{x:.2f}} points<extra></extra>",
            }
        )
        right = value if difference is None else difference.high
        ends += [right] + ([] if difference is None else [difference.low])
        drop = variant.evaluation.top1_drop
        percent = f"{accuracy_percent(variant.evaluation):.1f} &#37;"
        text = percent if drop is None else f"{change(drop.points)}  {percent}"
        notes.append(label(max(right, 0.0), n, text, weight=560, xshift=12))
    low, high = padded(min(ends), max(ends), below=0.15, above=0.75, least=2.0)
    marked = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    shapes = [
        {**marked, "type": "line", "x0": 0, "x1": 0, "line": {"color": "$line-strong", "width": 1}, "layer": "below"},
        {**marked, "type": "line", "x0": -max_drop, "x1": -max_drop, "line": {"color": "$ink", "width": 1.5, "dash": "dash"}},
        {**marked, "type": "rect", "x0": low, "x1": -max_drop, "fillcolor": "$zone", "line": {"width": 0}, "layer": "below"},
    ]
    above: Json = {"yref": "paper", "yanchor": "bottom"}
    heads = [
        label(-max_drop, 1.02, f"your limit −{max_drop:.1f}", xanchor="right", xshift=4, **above),
        label(0, 1.02, f"same as {escape(_original_name(reference))}", "$muted", xanchor="left", xshift=-4, **above),
    ]
    names = _name_axis(rows)
    margin = {"l": LEFT_PX, "r": 16, "t": 28, "b": 46}
    x_title = "Top-1, points against FP32" if rows[0].evaluation and rows[0].evaluation.has_labels else "Agreement, points"
    x = axis(x_title, range=[low, high], nticks=8)
    return {
        "data": data,
        "layout": layout(x, names, annotations=notes + heads, shapes=shapes, margin=margin),
        "narrow": {
            "margin": {**margin, "r": 10},
            "annotations": [{**note, "text": note["text"].split("  ")[0]} for note in notes] + heads[:1],
            "xaxis": axis(x_title, range=[low, high], nticks=5),
        },
    }


def size_bars(variants: Sequence[VariantView]) -> Json:
    """Megabytes of the delivered file."""
    values = [round(variant.size_bytes / 1e6, 4) for variant in variants]
    hover = [f"{escape(variant.name)}: %{{x:.2f}} MB" for variant in variants]
    notes = []
    for n, (variant, value) in enumerate(zip(variants, values, strict=True)):
        against = "" if variant.method == "fp32" else f"{times(variant.size_ratio)}  "
        notes.append(label(value, n, f"{against}{value:.1f} MB", weight=560, xshift=8))
    bars = _bars(values, [COLOUR[variant.method] for variant in variants], hover)
    return _horizontal([bars], variants, notes, "Megabytes on disk", max(values))


def latency_of(variant: VariantView) -> Any:
    """Latency of the paired comparison, else of the grid's best cell; None when not measured."""
    if variant.paired is not None:
        return variant.paired.latency_ms
    return None if variant.grid is None else variant.grid.best.latency_ms


def chart_height(rows: int) -> int:
    """Pixels for so many rows, one of the heights that static/css/workbench.css has (.h-230 …)."""
    needed = 92 + 46 * rows
    return next((height for height in (240, 300, 340, 380) if height >= needed), 430)


def _speed_text(variant: VariantView, throughput_fps: float) -> str:
    against = f"{times(variant.paired.speedup.value)}  " if variant.paired and variant.method != "fp32" else ""
    return f"{against}{fps(throughput_fps)} FPS"


def _bars(values: list[float], colours: list[str], hover: list[str]) -> Json:
    return {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": list(range(len(values))),
        "marker": {"color": colours, "cornerradius": 3},
        "width": 0.52,
        "hovertemplate": [f"{text}<extra></extra>" for text in hover],
    }


def _horizontal(
    data: list[Json], variants: Sequence[VariantView], notes: list[Json], title: str, largest: float, *, short_title: str = ""
) -> Json:
    margin = {"l": LEFT_PX, "r": 16, "t": 8, "b": 46}
    return {
        "data": data,
        "layout": layout(
            axis(title, range=[0, largest * ROOM], nticks=7, rangemode="tozero"),
            _name_axis(variants),
            annotations=notes,
            margin=margin,
        ),
        "narrow": {
            "margin": {**margin, "r": 10},
            "annotations": [{**note, "text": note["text"].split("  ")[0]} for note in notes],
            "xaxis": axis(short_title or title, range=[0, largest * NARROW_ROOM], nticks=5),
        },
    }


def _name_axis(variants: Sequence[VariantView]) -> Json:
    """Rows from the top; `range` is turned so that row 0 is first."""
    return axis(
        None,
        range=[len(variants) - 0.5, -0.5],
        tickvals=list(range(len(variants))),
        ticktext=[_broken(short_name(variant)) + "  " for variant in variants],
        tickfont={**FONT, "size": 13, "color": "$ink"},
        showgrid=False,
    )


def _broken(name: str) -> str:
    """Two lines where one would not fit; the rest is cut, the table has it."""
    lines = [""]
    for word in name.split():
        fits = not lines[-1] or len(lines[-1]) + 1 + len(word) <= LINE_CHARS
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if fits else [*lines, word]
    shown = [line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…" for line in lines[:2]]
    if len(lines) > 2:
        shown[1] = f"{shown[1][: LINE_CHARS - 1]}…"
    return "<br>".join(escape(line) for line in shown)


def _original_name(reference: VariantView) -> str:
    """Changes are paired with FP32 whatever the table's reference is."""
    return "FP32" if reference.method != "fp32" else reference.name
