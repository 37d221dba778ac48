"""Where the direct labels go: deterministic, without overlap as far as the chart has room.

Problem: n points in a plot of W × H pixels, each with a label of w × h; choose for each one of 8 places around it.

    box       (left, top, right, bottom) in pixels, y downwards
    cost      overlap area with points, whiskers, fixed texts and other labels (px²), pixels² outside the plot weighted 4,
              plus a small rank of the place (right above is nicest)

Method: start with everybody's cheapest place, then improve one label after the other until nothing changes (at most
`ROUNDS`): a local optimum of the sum. For up to 6 labels that has been enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROUNDS = 6
CHAR_PX, LINE_PX = 7.0, 16.0
"""Inter 12.5: mean width of a character of a bold label, height of a line."""
MARK_PX = 12.0
"""From the centre of a mark to its label."""
OUTSIDE_WEIGHT = 4.0
PLACES: tuple[tuple[int, int], ...] = ((1, -1), (-1, -1), (1, 1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1))
"""Direction of the label seen from the point: x −1 left, y −1 above; in order of preference."""
RANK_COST = 12.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """A point to be labelled, in pixels from the left and the top of the plot."""

    x: float
    y: float
    text: str
    """With <br> between lines, markup not counted."""
    whiskers: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Place:
    """Anchors and shifts of a Plotly annotation; shifts in pixels, yshift upwards."""

    xanchor: str
    yanchor: str
    xshift: float
    yshift: float


def place_labels(marks: Sequence[Mark], *, width: float, height: float, taken: Sequence[Box] = ()) -> list[Place]:
    """One place per mark, in their order."""
    fixed = [*taken, *(_around(mark) for mark in marks), *(box for mark in marks for box in mark.whiskers)]
    chosen = [_cheapest(mark, fixed, width, height) for mark in marks]
    for _ in range(ROUNDS):
        before = list(chosen)
        for index, mark in enumerate(marks):
            others = [_box(marks[j], chosen[j]) for j in range(len(marks)) if j != index]
            chosen[index] = _cheapest(mark, [*fixed, *others], width, height)
        if chosen == before:
            break
    return [_anchors(place) for place in chosen]


def text_size(text: str) -> tuple[float, float]:
    """Width and height in pixels, estimated."""
    lines = text.split("<br>")
    return CHAR_PX * max(len(line) for line in lines), LINE_PX * len(lines)


def _around(mark: Mark) -> Box:
    return (mark.x - 8, mark.y - 8, mark.x + 8, mark.y + 8)


def _box(mark: Mark, place: tuple[int, int]) -> Box:
    w, h = text_size(mark.text)
    dx, dy = place
    beside, above = _shift(place)
    left = {1: mark.x + beside, -1: mark.x - beside - w, 0: mark.x - w / 2}[dx]
    top = {1: mark.y + above, -1: mark.y - above - h, 0: mark.y - h / 2}[dy]
    return (left, top, left + w, top + h)


def _shift(place: tuple[int, int]) -> tuple[float, float]:
    """Diagonal places come closer in y, so that a label looks attached to its mark."""
    dx, dy = place
    if dx == 0:
        return 0.0, MARK_PX
    return MARK_PX, 5.0 if dy else 0.0


def _cheapest(mark: Mark, obstacles: Sequence[Box], width: float, height: float) -> tuple[int, int]:
    return min(PLACES, key=lambda place: _cost(mark, place, obstacles, width, height))


def _cost(mark: Mark, place: tuple[int, int], obstacles: Sequence[Box], width: float, height: float) -> float:
    box = _box(mark, place)
    inside = _overlap(box, (0, 0, width, height))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return PLACES.index(place) * RANK_COST + OUTSIDE_WEIGHT * (area - inside) + sum(_overlap(box, other) for other in obstacles)


def _overlap(a: Box, b: Box) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return w * h if w > 0 and h > 0 else 0.0


def _anchors(place: tuple[int, int]) -> Place:
    dx, dy = place
    beside, above = _shift(place)
    return Place(
        xanchor={1: "left", -1: "right", 0: "center"}[dx],
        yanchor={1: "top", -1: "bottom", 0: "middle"}[dy],
        xshift=dx * beside,
        yshift=-dy * above,
    )
