"""/dev/components: every component with example values, for looking at them and for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.engine.numerics.intervals import Interval
from app.services.views import ErrorView, LogLine
from app.web.templating import render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class GalleryPage:
    speedup: Interval
    lost: Interval
    error: ErrorView
    log: tuple[LogLine, ...]
    figure: dict[str, Any]
    run_states: dict[str, tuple[str, str]]


EXAMPLE_TIME = datetime(2026, 11, 23, 14, 24, 51, tzinfo=UTC)
EXAMPLE = GalleryPage(
    speedup=Interval(1.80, 1.77, 1.83),
    lost=Interval(1.8, 0.3, 3.2),
    error=ErrorView("model.not_onnx", "This is not an ONNX file: it begins with PK.", "model.onnx", "Export the model again."),
    log=(
        LogLine(1, EXAMPLE_TIME, "trial 5", "585 ± 7 FPS, 1.84×"),
        LogLine(2, EXAMPLE_TIME, "search", "next: 5 groups in float"),
    ),
    figure={
        "data": [
            {"type": "bar", "orientation": "h", "x": [318, 573], "y": ["FP32", "INT8"], "marker": {"color": ["$fp32", "$aa"]}}
        ],
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "Inter", "size": 12.5, "color": "$muted"},
            "margin": {"l": 56, "r": 24, "t": 16, "b": 48},
            "xaxis": {"gridcolor": "$grid", "fixedrange": True},
            "yaxis": {"fixedrange": True},
        },
    },
    run_states={
        "prepare": ("done", "300 images"),
        "quantize": ("done", "97 ranges"),
        "compare": ("now", "trial 6"),
        "inside": ("done", "trial 5: missed"),
        "rank": ("done", "53 ranked"),
        "revert": ("done", "5 put back"),
        "result": ("todo", "measure"),
    },
)


@router.get("/dev/components")
def show_components(request: Request) -> Response:
    return render(request, "pages/gallery.html", EXAMPLE)
