"""Templates with autoescape and strict names; one function renders a page or, for htmx, one block of it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse

from app.assets import STATIC, TEMPLATES
from app.web.filters import FILTERS
from app.web.flash import take_flash
from app.web.plotly_bundle import plotly_path, plotly_style_ids

_HASH_DIGITS = 12


def static_url(path: str, *, versioned: bool = True) -> str:
    """The URL of a static file with its content's hash, so that browsers may keep it for ever.

    Args:
        path: Below `static/`, or `plotly.min.js`.
        versioned: False for files that a style sheet names as well (fonts): both must use one URL.
    """
    if not versioned:
        return f"/static/{path}"
    file = plotly_path() if path == "plotly.min.js" else STATIC / path
    return f"/static/{path}?v={_content_hash(file, file.stat().st_mtime_ns)}"


@lru_cache(maxsize=256)
def _content_hash(file: Path, _mtime_ns: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_HASH_DIGITS]


def make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["static_url"] = static_url
    environment.globals["plotly_style_ids"] = plotly_style_ids
    return environment


ENVIRONMENT = make_environment()


def render(request: Request, template: str, context: Any = None, *, block: str = "", status: int = 200) -> HTMLResponse:
    """A page; or only `block` of it when htmx asks for a part.

    Args:
        template: Below `templates/`.
        context: A frozen dataclass whose fields are the page's variables, or a mapping.
        block: The named block that htmx swaps; empty: always the whole template.
    """
    values = fields_of(context)
    if block and wants_fragment(request):
        html = render_block(template, block, {**values, "flash": None})
        response = HTMLResponse(html, status)
    else:
        flash = take_flash(request)
        response = HTMLResponse(ENVIRONMENT.get_template(template).render({**values, "flash": flash}), status)
        if flash is not None:
            flash.remove_from(response)
    response.headers["Vary"] = "HX-Request, HX-Request-Type"
    response.headers["Cache-Control"] = "no-store"
    return response


def render_block(template: str, block: str, values: Mapping[str, Any]) -> str:
    """One block of a page, with the imports and settings at the head of the page and its layouts in force."""
    loaded = ENVIRONMENT.get_template(template)
    context = loaded.new_context(dict(values))
    next(loaded.root_render_func(context))  # up to the first output: exactly those imports and settings
    return "".join(context.blocks[block][0](context))


def wants_fragment(request: Request) -> bool:
    """Whether htmx will put the answer into a part of the page (not for a restored or boosted whole page)."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def fields_of(context: Any) -> dict[str, Any]:
    """The fields of a dataclass as they are: not copied, not turned into dictionaries."""
    if dataclasses.is_dataclass(context) and not isinstance(context, type):
        return {field.name: getattr(context, field.name) for field in dataclasses.fields(context)}
    return dict(context or {})
