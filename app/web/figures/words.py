"""Names as charts print them; numbers come from `app.web.filters`, as on the pages."""

from __future__ import annotations

from app.services.views import VariantView

NAME_CHARS = 28
"""Longer names are cut in charts; the table beside has them whole."""


def short_name(variant: VariantView) -> str:
    """AccuracyAware says INT8 already; the rest of a long name is in the table."""
    name = variant.name.removeprefix("INT8 ") if variant.method == "int8-accuracy-aware" else variant.name
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
