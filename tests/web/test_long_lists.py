"""Lists longer than a page: each part says where it stands, and the work for a part does not grow with the list."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.services.context import Workbench
from app.web.routes import datasets, home, models, runs
from tests.support import rows
from tests.support.htmx import HTMX
from tests.support.pages import Page


def fill_projects(wb: Workbench, number: int) -> str:
    model_id = rows.store_model(wb)
    for n in range(number):
        rows.store_project(wb, name=f"Thing {n:03}", model_id=model_id)
    return "/"


def fill_models(wb: Workbench, number: int) -> str:
    for n in range(number):
        rows.store_model(wb, name=f"Thing {n:03}")
    return "/models"


def fill_datasets(wb: Workbench, number: int) -> str:
    for n in range(number):
        rows.store_dataset(wb, name=f"Thing {n:03}")
    return "/datasets"


LISTS: dict[str, tuple[Callable[[Workbench, int], str], int]] = {
    "projects": (fill_projects, home.SHOWN),
    "models": (fill_models, models.SHOWN),
    "datasets": (fill_datasets, datasets.SHOWN),
}


@pytest.mark.parametrize("kind", LISTS)
def test_long_list_is_shown_in_parts_newest_first(client: TestClient, wb: Workbench, kind: str) -> None:
    fill, size = LISTS[kind]
    path = fill(wb, size + 2)
    first, second = client.get(path).text, client.get(f"{path}?page=2").text
    assert _things(first) == list(range(size + 1, 1, -1))
    assert _things(second) == [1, 0]
    assert f"1 to {size} of {size + 2} {kind}" in first
    assert f"{size + 1} to {size + 2} of {size + 2} {kind}" in second
    assert f"{path}?page=2" in Page(first).links
    assert path in Page(second).links
    for html in (first, second):
        assert not Page(html).problems
    assert client.get(f"{path}?page=2", headers=HTMX).text.strip() in second


def test_list_that_fits_says_nothing_of_parts(client: TestClient, wb: Workbench) -> None:
    fill_models(wb, models.SHOWN)
    assert "Parts of the list" not in client.get("/models").text


def test_search_goes_on_in_the_next_part(client: TestClient, wb: Workbench) -> None:
    fill_projects(wb, home.SHOWN + 1)
    rows.store_project(wb, name="Another")
    page = client.get("/?search=thing").text
    assert f"1 to {home.SHOWN} of {home.SHOWN + 1} projects" in page
    assert "/?search=thing&page=2" in Page(page).links
    assert _things(client.get("/?search=thing&page=2").text) == [0]


def test_part_that_follows_what_runs_stays_where_it_is(client: TestClient, wb: Workbench) -> None:
    oldest = rows.store_model(wb, name="Thing 000", state="inspecting", description=None)
    fill_models(wb, models.SHOWN)
    page = client.get("/models?page=2").text
    assert f'id="model-{oldest}"' in page
    assert 'hx-get="/models?page=2" hx-trigger="uploaded from:body, every 1s"' in page
    assert 'hx-get="/models" hx-trigger="uploaded from:body"' in client.get("/models").text


def test_runs_of_a_project_count_all_and_show_a_part(client: TestClient, wb: Workbench) -> None:
    project = rows.store_project(wb)
    states = ["succeeded", "failed", "cancelled"] * (runs.SHOWN // 3 + 1)
    for state in states:
        rows.store_run(wb, state=state, project_id=project.id)
    total = len(states) + 4  # the project's own
    page = client.get(f"/projects/{project.id}/runs").text
    assert f"{total} runs: none under way, {len(states) // 3 + 4} finished." in page
    assert f"1 to {runs.SHOWN} of {total} runs" in page
    assert page.count('<td data-l="State">') == runs.SHOWN
    rest = client.get(f"/projects/{project.id}/runs?page=2").text
    assert rest.count('<td data-l="State">') == total - runs.SHOWN
    assert f"{total} runs: none under way" in rest, "the sentence speaks of all"


def _things(html: str) -> list[int]:
    """Numbers of the things shown, in order, each once."""
    found: dict[int, Any] = dict.fromkeys(int(number) for number in re.findall(r">Thing (\d+)<", html))
    return list(found)
