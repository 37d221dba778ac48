"""The benchmark grid: throughput against median latency, one line per batch size, one mark per number of streams."""

from __future__ import annotations

from itertools import pairwise

from app.engine.benchmark.results import Cell
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
    padded,
)
from app.web.figures.placing import Box, Mark, place_labels

HEIGHT_PX = 300
BOX_PX = 8
DASHES = ("solid", "dash", "dot", "dashdot")


def grid_chart(variant: VariantView, *, width_px: int = WIDE_PX) -> Json | None:
    """None before the grid was measured."""
    if variant.grid is None or not variant.grid.cells:
        return None
    cells = variant.grid.cells
    xs = padded(0, max(cell.latency_ms.p50 for cell in cells), below=0.0, above=0.3, least=0.001)
    ys = padded(0, max(cell.throughput_fps for cell in cells), below=0.0, above=0.2, least=0.001)
    batches = sorted({cell.setting.batch for cell in cells})
    data = [_series(variant, cells, batch, DASHES[n % len(DASHES)]) for n, batch in enumerate(batches)]
    return {
        "data": data,
        "layout": layout(
            axis("Latency, median of one request, ms", range=list(xs), nticks=7),
            axis("Throughput, frames per second", range=list(ys), nticks=6),
            annotations=_notes(variant, xs, ys, width_px - 84, short=False),
        ),
        "narrow": {
            "margin": NARROW_MARGIN,
            "annotations": _notes(variant, xs, ys, NARROW_PX - 56, short=True),
            "xaxis": axis("Latency, ms", range=list(xs), nticks=4),
        },
    }


def _series(variant: VariantView, cells: tuple[Cell, ...], batch: int, dash: str) -> Json:
    chosen = sorted(
        (cell for cell in cells if cell.setting.batch == batch), key=lambda cell: (cell.setting.streams, cell.setting.threads)
    )
    colour = COLOUR[variant.method]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [round(cell.latency_ms.p50, 4) for cell in chosen],
        "y": [round(cell.throughput_fps, 4) for cell in chosen],
        "line": {"color": colour, "width": 1.5, "dash": dash},
        "marker": {"size": 11, "color": colour, "opacity": 1, "line": {"width": 2, "color": "$surface"}},
        "text": [setting_text(cell) for cell in chosen],
        "hovertemplate": f"{escape(variant.name)}, %{{text}}<br>%{{y:.4~g}} FPS, %{{x:.2f}} ms<extra></extra>",
    }


def setting_text(cell: Cell) -> str:
    """2 requests × batch 8; threads only where one request has more than one."""
    setting = cell.setting
    requests = f"{setting.streams} request{'' if setting.streams == 1 else 's'}"
    threads = f" on {setting.threads} threads" if setting.threads > 1 else ""
    return f"{requests}{threads}, batch {setting.batch}"


def _notes(variant: VariantView, xs: tuple[float, float], ys: tuple[float, float], width: float, *, short: bool) -> list[Json]:
    assert variant.grid is not None
    height = HEIGHT_PX - 66
    cells = variant.grid.cells
    texts = [
        f"{cell.setting.streams}×{cell.setting.threads}, {cell.setting.batch}" if short else setting_text(cell)
        for cell in cells
    ]
    marks = [
        Mark(cell.latency_ms.p50 / xs[1] * width, (1 - cell.throughput_fps / ys[1]) * height, text)
        for cell, text in zip(cells, texts, strict=True)
    ]
    notes = []
    places = place_labels(marks, width=width, height=height, taken=_along_lines(cells, marks))
    for cell, mark, place in zip(cells, marks, places, strict=True):
        made = label(
            round(cell.latency_ms.p50, 4), round(cell.throughput_fps, 4), mark.text, TEXT_COLOUR[variant.method], size=11.5
        )
        anchored = {"xanchor": place.xanchor, "yanchor": place.yanchor, "xshift": place.xshift, "yshift": place.yshift}
        notes.append({**made, **anchored})
    return notes


def _along_lines(cells: tuple[Cell, ...], marks: list[Mark]) -> list[Box]:
    """Small boxes along the lines between marks of one batch, for labels to avoid."""
    boxes: list[Box] = []
    for batch in {cell.setting.batch for cell in cells}:
        line = sorted((m.x, m.y) for cell, m in zip(cells, marks, strict=True) if cell.setting.batch == batch)
        for (x0, y0), (x1, y1) in pairwise(line):
            steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0)) / BOX_PX))
            points = [(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in range(steps + 1)]
            boxes += [(x - BOX_PX / 2, y - BOX_PX / 2, x + BOX_PX / 2, y + BOX_PX / 2) for x, y in points]
    return boxes
