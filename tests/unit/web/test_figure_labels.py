"""Placing of labels: deterministic, inside the plot, and without overlap for what projects have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.figures.placing import Box, Mark, Place, place_labels, text_size

WIDTH, HEIGHT = 1036.0, 364.0


def box_of(mark: Mark, place: Place) -> Box:
    """As Plotly draws it: the anchor edge or corner at the point, then the shift (yshift upwards)."""
    w, h = text_size(mark.text)
    x, y = mark.x + place.xshift, mark.y - place.yshift
    left = {"left": x, "right": x - w, "center": x - w / 2}[place.xanchor]
    top = {"top": y, "bottom": y - h, "middle": y - h / 2}[place.yanchor]
    return left, top, left + w, top + h


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def test_one_label_stands_right_above_its_point() -> None:
    (place,) = place_labels([Mark(500, 180, "FP32")], width=WIDTH, height=HEIGHT)
    assert (place.xanchor, place.yanchor) == ("left", "bottom")


def test_a_label_at_the_right_edge_turns_inwards() -> None:
    (place,) = place_labels([Mark(WIDTH - 5, 180, "INT8 Default  2.00×")], width=WIDTH, height=HEIGHT)
    assert place.xanchor == "right"


@pytest.mark.parametrize("n", range(1, 7))
def test_up_to_six_variants_close_together_do_not_overlap(n: int) -> None:
    marks = [
        Mark(500 + 37.0 * i, 150 + 29.0 * i * (-1) ** i, f"INT8 Default {i}  2.00×<br>−1.8 ± 1.5 points") for i in range(n)
    ]
    boxes = [box_of(mark, place) for mark, place in zip(marks, place_labels(marks, width=WIDTH, height=HEIGHT), strict=True)]
    assert not [(i, j) for i in range(n) for j in range(i) if overlap(boxes[i], boxes[j])]


def test_fixed_text_is_kept_clear() -> None:
    taken = (512.0, 100.0, 700.0, 178.0)
    mark = Mark(500, 180, "INT8 Default")
    (place,) = place_labels([mark], width=WIDTH, height=HEIGHT, taken=[taken])
    assert not overlap(box_of(mark, place), taken)


@given(st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), max_size=8))
def test_placing_is_deterministic_and_total(points: list[tuple[float, float]]) -> None:
    marks = [Mark(x, y, f"variant {n}") for n, (x, y) in enumerate(points)]
    first = place_labels(marks, width=WIDTH, height=HEIGHT)
    assert first == place_labels(marks, width=WIDTH, height=HEIGHT)
    assert len(first) == len(marks)
