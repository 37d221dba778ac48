"""Charts as plain plotly JSON: views in, dicts out. "$name" stands for the CSS token --wb-name (static/js/charts.js)."""

from __future__ import annotations

from app.web.figures.compare import accuracy_bars, latency_marks, size_bars, throughput_bars
from app.web.figures.grid import grid_chart
from app.web.figures.pareto import pareto
from app.web.figures.trials import trials_chart

__all__ = ["accuracy_bars", "grid_chart", "latency_marks", "pareto", "size_bars", "throughput_bars", "trials_chart"]
