"""The usual ways to prepare an image, most usual first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.engine.preprocessing.pipeline import Colour, Layout, Preprocessing, Resize
from app.engine.preprocessing.presets import BYTES, GRAY_VALUE_RANGES, VALUE_RANGES, build, usual_shorter_side


@dataclass(frozen=True)
class ImageInput:
    """What the model demands."""

    height: int
    width: int
    channels: int
    layout: Layout
    integer: bool = False
    """Takes 8-bit pixels: only the range 0 to 255 makes sense."""


def coarse_candidates(image: ImageInput, *, same_size: bool = False) -> list[Preprocessing]:
    """Colour order x value range, with the most usual geometry.

    Args:
        same_size: Every image of the dataset has the input's size already, so none needs resizing.
    """
    colours: tuple[Colour, ...] = ("RGB", "BGR") if image.channels == 3 else ("GRAY",)
    ranges = VALUE_RANGES if image.channels == 3 else GRAY_VALUE_RANGES
    size = (image.height, image.width)
    return [
        build(
            size,
            colour,
            values,
            image.layout,
            resize="none" if same_size else "shorter-side",
            shorter_side=usual_shorter_side(*size),
        )
        for colour in colours
        for values in ((BYTES,) if image.integer else ranges)
    ]


def other_resizes(p: Preprocessing) -> list[Preprocessing]:
    """The same colours with the other usual geometries."""
    usual, side = usual_shorter_side(p.height, p.width), max(p.height, p.width)
    ways: Sequence[tuple[Resize, int]] = (("shorter-side", usual), ("shorter-side", side), ("stretch", usual))
    if p.resize == "none":  # then stretching and cropping to the input's own size change nothing
        ways = ways[:1]
    return [other for resize, short in ways if (other := replace(p, resize=resize, shorter_side=short)) != p]


def other_interpolations(p: Preprocessing) -> list[Preprocessing]:
    return [] if p.resize == "none" else [replace(p, interpolation="bicubic")]


def nearly_same_values(p: Preprocessing, q: Preprocessing) -> bool:
    """Whether both give the model the same numbers but for one grey level, as (x - 127) / 128 and -1 to 1 do."""
    return (
        p.colour == q.colour
        and all(abs(a - b) <= 1 for a, b in zip(p.mean, q.mean, strict=True))
        and all(abs(a / b - 1) <= 0.01 for a, b in zip(p.divide_by, q.divide_by, strict=True))
    )


def distinct(candidates: Sequence[Preprocessing]) -> list[Preprocessing]:
    """Without those that show the model nearly the same values as an earlier one."""
    kept: list[Preprocessing] = []
    for p in candidates:
        if not any(nearly_same_values(p, earlier) for earlier in kept):
            kept.append(p)
    return kept


def usualness(p: Preprocessing) -> tuple[int, int, int, int]:
    """Sorts the more usual first."""
    size = (p.height, p.width)
    ranges = VALUE_RANGES if p.colour != "GRAY" else GRAY_VALUE_RANGES
    known = [values.of(p.colour) for values in ranges]
    geometry = {"none": 0, "shorter-side": 1, "stretch": 3}[p.resize]
    if p.resize == "shorter-side" and p.shorter_side != usual_shorter_side(*size):
        geometry = 2
    values = known.index((p.mean, p.divide_by)) if (p.mean, p.divide_by) in known else len(known)
    return p.colour == "BGR", geometry, p.interpolation != "bilinear", values
