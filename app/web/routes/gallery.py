"""/dev/components: every component with example values, for looking at them and for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.engine.numerics.intervals import Interval
from app.services.done import Done, Judged, KeptGroup, KeptNode, NoiseRow
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
    work: Done


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
    work=Done(
        settings=("mixed", "7-bit weights"),
        integer_share="98.2 %",
        kernels=("52 of 53 operators with weights run in integer kernels, with 2 conversions between INT8 and float.",),
        rewrites=(("AveragePool as depthwise Conv", ("pool5",)),),
        kept=(KeptGroup("slower in INT8 here", (KeptNode("stem/conv", "41 µs against 35 µs"), KeptNode("stem/relu", ""))),),
        kept_nodes=2,
        nodes=51,
        noise=(
            NoiseRow("head/boxes", "Concat", 0.61, "61.0 %", 1.0, "left in float"),
            NoiseRow("block5/add", "Add", 0.12, "12.0 %", 0.2, ""),
        ),
        noise_rest="12 more groups make 27.0 % together.",
        candidates=(Judged("rounded", "29.3 dB", True), Judged("nearest", "26.9 dB", False)),
        seconds=(("Calibrate", "12 s"), ("Quantize", "0.4 s")),
    ),
)


@router.get("/dev/components")
def show_components(request: Request) -> Response:
    return render(request, "pages/gallery.html", EXAMPLE)
