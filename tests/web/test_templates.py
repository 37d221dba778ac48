"""Every template compiles, keeps to the content security policy, and asks for exactly what its page gives."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from jinja2 import meta, nodes

from app.assets import TEMPLATES
from app.web.errors import ErrorPage
from app.web.pages.confirm import Confirmation
from app.web.pages.datasets import DatasetPage, DatasetsPage
from app.web.pages.home import HomePage
from app.web.pages.models import ModelPage, ModelsPage
from app.web.pages.queue import QueuePill
from app.web.routes.gallery import GalleryPage
from app.web.templating import ENVIRONMENT

ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
PAGES = [name for name in ALL if name.startswith("pages/")]
COMPONENTS = [name for name in ALL if name.startswith("components/")]
GIVEN = {
    "pages/home.html": HomePage,
    "pages/models.html": ModelsPage,
    "pages/model.html": ModelPage,
    "pages/datasets.html": DatasetsPage,
    "pages/dataset.html": DatasetPage,
    "pages/confirm.html": Confirmation,
    "pages/error.html": ErrorPage,
    "pages/gallery.html": GalleryPage,
    "fragments/queue.html": QueuePill,
}


def source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_every_template_compiles(name: str) -> None:
    ENVIRONMENT.get_template(name)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_title_and_its_place_in_the_navigation(name: str) -> None:
    text = source(name)
    if '{% extends "layouts/base.html" %}' in text:
        assert "{% block title %}" in text
        assert "{% set section" in text or "section" in field_names(GIVEN.get(name))


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("reports/")])
def test_no_template_needs_inline_code_or_style(name: str) -> None:
    text = source(name)
    assert not re.search(r"""\sstyle\s*=\s*["']""", text), "style= is refused by the policy"
    assert not re.search(r"""\son[a-z]+\s*=\s*["']""", text), "on…= is refused by the policy"
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text), "scripts come from static/js"
    assert "hx-on" not in text, "evaluates code"
    assert not re.search(r"https?://(?!www\.w3\.org)", text), "no request leaves the machine"


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_says_what_it_is_for(name: str) -> None:
    assert source(name).startswith("{#")


@pytest.mark.parametrize("name", GIVEN)
def test_page_uses_what_it_is_given_and_nothing_else(name: str) -> None:
    tree = ENVIRONMENT.parse(source(name))
    asked = meta.find_undeclared_variables(tree) - set(ENVIRONMENT.globals) - defined_at_the_top(tree)
    given = field_names(GIVEN[name])
    assert asked <= given | {"flash"}
    unused = given - asked - {"section"}  # the layout reads it
    assert not unused or name.startswith("pages/error"), f"{unused} are not shown"


def defined_at_the_top(tree: nodes.Template) -> set[str]:
    """Imports and settings of the page, which its blocks see."""
    imported = {
        alias[1] if isinstance(alias, tuple) else alias for node in tree.find_all(nodes.FromImport) for alias in node.names
    }
    return imported | {node.target.name for node in tree.find_all(nodes.Assign) if isinstance(node.target, nodes.Name)}


def field_names(context: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(context)} if context is not None else set()
