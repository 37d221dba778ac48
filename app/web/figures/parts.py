"""What every chart is made of: axes, labels, marks and the user's limit, in the tokens of the design (mock/GUIDE.md §3).

A figure is {"data", "layout", "narrow"}: `narrow` overrides layout keys when the chart is narrower than 520 px.
Text that may come from a user goes through `escape` exactly once.
"""

from __future__ import annotations

import html
import math
from typing import Any

from app.engine.numerics.intervals import Interval
from app.services.views import Method

Json = dict[str, Any]

FAMILY = "Inter, system-ui, sans-serif"
FONT: Json = {"family": FAMILY, "size": 12.5, "color": "$muted"}
COLOUR: dict[Method, str] = {"fp32": "$fp32", "int8-default": "$int8", "int8-accuracy-aware": "$aa"}
TEXT_COLOUR: dict[Method, str] = {"fp32": "$ink", "int8-default": "$int8-text", "int8-accuracy-aware": "$aa-text"}
WIDE_PX, NARROW_PX = 1120, 330
"""Widths for which labels are placed: a card on a 1280 px page, and on a phone."""
NARROW_MARGIN: Json = {"l": 46, "r": 10, "t": 10, "b": 46}


def escape(text: str) -> str:
    """Text for Plotly's pseudo-HTML, hover templates and our own "$token": each character means itself."""
    return html.escape(text, quote=False).replace("$", "&#36;").replace("%", "&#37;")


def axis(title: str | None, **more: Any) -> Json:
    base: Json = {
        "gridcolor": "$grid",
        "linecolor": "$line-strong",
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "fixedrange": True,
        "tickfont": FONT,
        "title": {"text": title or "", "standoff": 12, "font": FONT},
    }
    return {**base, **more}


def layout(x: Json, y: Json, **more: Any) -> Json:
    base: Json = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": FONT,
        "hoverlabel": {"bgcolor": "$surface", "bordercolor": "$line-strong", "font": {**FONT, "color": "$ink"}},
        "hovermode": "closest",
        "showlegend": False,
        "margin": {"l": 60, "r": 24, "t": 16, "b": 50},
        "xaxis": x,
        "yaxis": y,
    }
    return {**base, **more}


def label(x: float, y: float, text: str, colour: str = "$ink", *, size: float = 12.5, weight: int = 400, **more: Any) -> Json:
    """An annotation without arrow; `text` is escaped already and may hold <br>."""
    font = {"family": FAMILY, "size": size, "color": colour, "weight": weight}
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": font, "align": "left", "xanchor": "left", **more}


def whisker(interval: Interval | None, colour: str, *, scale: float = 1.0, thickness: float = 1.6, width: float = 5) -> Json:
    """Error bars from an interval around its own value; nothing where there is none."""
    if interval is None or not all(map(math.isfinite, (interval.value, interval.low, interval.high))):
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": [round(scale * (interval.high - interval.value), 6)],
        "arrayminus": [round(scale * (interval.value - interval.low), 6)],
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def point(x: float, y: float, colour: str, hover: str, **more: Any) -> Json:
    """One variant: a disc with a rim of the ground."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [y],
        "marker": {"size": 15, "color": colour, "opacity": 1, "line": {"width": 2, "color": "$surface"}},
        "cliponaxis": False,
        "hovertemplate": f"{hover}<extra></extra>",
        **more,
    }


def ring(x: float, y: float, colour: str, hover: str, *, size: float = 10, **more: Any) -> Json:
    """One trial: hollow."""
    made = point(x, y, colour, hover, **more)
    made["marker"] = {"size": size, "color": "$surface", "opacity": 1, "line": {"width": 2, "color": colour}}
    return made


def limit_shapes(limit: float, bottom: float) -> list[Json]:
    """The dashed line of the user's limit and the zone below it, in y."""
    zone = {"type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": bottom, "y1": limit}
    line = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": limit, "y1": limit}
    return [
        {**zone, "fillcolor": "$zone", "line": {"width": 0}, "layer": "below"},
        {**line, "line": {"color": "$ink", "width": 1.5, "dash": "dash"}},
    ]


def padded(low: float, high: float, *, below: float, above: float, least: float) -> tuple[float, float]:
    """A range around [low, high] with shares of the span added, never narrower than `least`."""
    span = max(high - low, least)
    middle_gap = (span - (high - low)) / 2
    return round(low - middle_gap - below * span, 6), round(high + middle_gap + above * span, 6)
