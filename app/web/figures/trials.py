"""The search: accuracy of each trial against how many layers it keeps in FP32, with the limit and the FP32 line.

Speed is measured only on the file that is handed over, so the x axis is what the search decides. Counts of layers are
places on the axis, not distances: 0, 1, 2, 4, 8 … lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.engine.numerics.intervals import Interval
from app.engine.tasks.results import Evaluation
from app.services.views import TrialView
from app.web.figures.pareto import accuracy_percent, change_of
from app.web.figures.parts import NARROW_MARGIN, Json, axis, label, layout, limit_shapes, padded, point, ring, whisker

LEAST_POINTS = 3.0
PLOT_PX = 314
"""Height of the plot in a chart of 380 px."""
LABEL_PX = 18


def trials_chart(trials: Sequence[TrialView], reference: Evaluation | None) -> Json | None:
    """`reference`: FP32 on the same samples. None before the first trial."""
    if not trials:
        return None
    counts = sorted({len(trial.kept_in_float) for trial in trials})
    place = {count: index for index, count in enumerate(counts)}
    base = None if reference is None else accuracy_percent(reference)
    allowed = next((trial.limit.allowed_points for trial in trials if trial.limit is not None), None)
    limit = None if base is None or allowed is None else base - allowed
    ys = _y_range(trials, base, limit)
    xs = (-0.6, max(1, len(counts) - 1) + 1.1)
    shapes = [] if limit is None else limit_shapes(limit, ys[0])
    if base is not None:
        line = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": base, "y1": base}
        shapes.append({**line, "line": {"color": "$fp32", "width": 1.5}, "layer": "below"})
    ticks = {"tickvals": list(place.values()), "ticktext": [str(count) for count in counts]}
    y_title = "Top-1 accuracy, %" if reference is not None and reference.has_labels else "Agreement with FP32, %"
    return {
        "data": [_path(trials, place), *(_trial(trial, place) for trial in trials)],
        "layout": layout(
            axis("Layers put back to FP32", range=list(xs), showgrid=False, **ticks),
            axis(y_title, range=list(ys), nticks=7),
            shapes=shapes,
            annotations=_notes(trials, place, base, limit, short=False),
        ),
        "narrow": {"margin": NARROW_MARGIN, "annotations": _notes(trials, place, base, limit, short=True)},
    }


def _y_range(trials: Sequence[TrialView], base: float | None, limit: float | None) -> tuple[float, float]:
    values = [value for value in (base, limit) if value is not None]
    for trial in trials:
        accuracy, change = accuracy_percent(trial.evaluation), change_of(trial.evaluation)
        values.append(accuracy)
        if change is not None:
            values += [accuracy + change.low - change.value, accuracy + change.high - change.value]
    return padded(min(values), max(values), below=0.1, above=0.2, least=LEAST_POINTS)


def _path(trials: Sequence[TrialView], place: dict[int, int]) -> Json:
    """In the order the search went."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [place[len(trial.kept_in_float)] for trial in trials],
        "y": [round(accuracy_percent(trial.evaluation), 4) for trial in trials],
        "line": {"color": "$line-strong", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _trial(trial: TrialView, place: dict[int, int]) -> Json:
    x, y = place[len(trial.kept_in_float)], round(accuracy_percent(trial.evaluation), 4)
    change: Interval | None = change_of(trial.evaluation)
    layers = len(trial.kept_in_float)
    hover = f"Trial {trial.number}, {layers} layer{'' if layers == 1 else 's'} in FP32<br>%{{y:.2f}} &#37;"
    if trial.chosen:
        return point(x, y, "$aa", hover, error_y=whisker(change, "$aa"))
    if layers == 0:
        return point(x, y, "$int8", hover, error_y=whisker(change, "$int8"))
    return ring(x, y, "$aa", hover, error_y=whisker(change, "$line-strong", thickness=1.2, width=4))


def _notes(
    trials: Sequence[TrialView], place: dict[int, int], base: float | None, limit: float | None, *, short: bool
) -> list[Json]:
    size = 11.5 if short else 12.5
    lines = [value for value in (base, limit) if value is not None]
    low, high = _y_range(trials, base, limit)
    notes = [_head(trial, place, size, [(value, PLOT_PX / (high - low)) for value in lines], short=short) for trial in trials]
    if base is not None:
        corner: Json = {"xref": "paper", "xanchor": "right", "yanchor": "bottom"}
        notes.append(label(0.995, base, "FP32" if short else f"FP32: {base:.1f} &#37;", "$muted", size=size, **corner))
    if limit is not None:
        text = f"limit {limit:.1f} &#37;" if short else f"Your limit: {limit:.1f} &#37;"
        notes.append(label(0.995, limit, text, xref="paper", xanchor="right", yanchor="top", size=size))
    return notes


def _head(trial: TrialView, place: dict[int, int], size: float, lines: list[tuple[float, float]], *, short: bool) -> Json:
    """The number on top of the whisker; a word where the trial is special.

    lines: (y, pixels per point) of lines across the chart: a label that would lie on one moves above it.
    """
    change, accuracy = change_of(trial.evaluation), accuracy_percent(trial.evaluation)
    top = accuracy + (change.high - change.value if change else 0)
    word, colour = str(trial.number), "$ink"
    if trial.chosen:
        word, colour = f"{trial.number}" if short else f"{trial.number} chosen", "$aa-text"
    elif not trial.kept_in_float:
        word, colour = f"{trial.number}" if short else f"{trial.number} Default", "$int8-text"
    lift = 6.0 if change else 10.0
    for value, scale in sorted(lines):
        if lift - 2 < (value - top) * scale < lift + LABEL_PX:
            lift = (value - top) * scale + 3
    anchored: Json = {"xanchor": "center", "yanchor": "bottom", "yshift": round(lift, 1)}
    return label(place[len(trial.kept_in_float)], round(top, 4), word, colour, size=size, weight=640, **anchored)
