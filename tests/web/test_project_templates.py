"""The project pages' templates ask for exactly what their page gives, their parts and layouts included."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from jinja2 import meta, nodes

from app.assets import TEMPLATES
from app.web.pages.compare import ComparePage
from app.web.pages.new_project import NewProjectPage
from app.web.pages.optimize import OptimizePage
from app.web.pages.overview import OverviewPage
from app.web.pages.run import Banner, RunPage, RunsPage
from app.web.pages.workers import WorkersPage
from app.web.templating import ENVIRONMENT

GIVEN: dict[str, Any] = {
    "pages/project_new.html": NewProjectPage,
    "pages/project_overview.html": OverviewPage,
    "pages/project_optimize.html": OptimizePage,
    "pages/project_runs.html": RunsPage,
    "pages/project_compare.html": ComparePage,
    "pages/run.html": RunPage,
    "pages/workers.html": WorkersPage,
    "fragments/banner.html": Banner,
}
OF_THE_FRAME = {"flash", "section"}


def asked_by(name: str) -> set[str]:
    """Variables of a template, of what it includes and of the project layout it stands in."""
    tree = ENVIRONMENT.parse((TEMPLATES / name).read_text(encoding="utf-8"))
    own = meta.find_undeclared_variables(tree) - set(ENVIRONMENT.globals) - _defined_at_the_top(tree)
    parts = [
        node.template.value for node in tree.find_all((nodes.Include, nodes.Extends)) if isinstance(node.template, nodes.Const)
    ]
    inner = {variable for part in parts if not part.startswith("layouts/base") for variable in asked_by(part)}
    return own | (inner - _defined_at_the_top(tree))


def _defined_at_the_top(tree: nodes.Template) -> set[str]:
    imported = {n[1] if isinstance(n, tuple) else n for node in tree.find_all(nodes.FromImport) for n in node.names}
    macros = {node.name for node in tree.find_all(nodes.Macro)}
    assigned = {
        node.target.name for node in tree.find_all((nodes.Assign, nodes.AssignBlock)) if isinstance(node.target, nodes.Name)
    }
    return imported | macros | assigned


@pytest.mark.parametrize("name", GIVEN)
def test_page_shows_all_it_is_given_and_asks_for_nothing_else(name: str) -> None:
    given = {field.name for field in dataclasses.fields(GIVEN[name])}
    asked = asked_by(name) - OF_THE_FRAME
    assert asked - given == set()
    assert given - asked == set()
