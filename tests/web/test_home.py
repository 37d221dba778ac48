"""The projects as cards, in every state they can be in; the search; the queue's pill; the gallery."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.engine.quantize.recipe import QuantizationSettings
from app.services.context import Workbench
from app.services.views import ProjectView
from app.web.pages.home import project_card
from tests.support import factories
from tests.support.htmx import HTMX
from tests.support.rows import store_model, store_project, store_run


def test_first_visit_offers_the_example_and_an_upload(client: TestClient, wb: Workbench) -> None:
    page = client.get("/").text
    assert '<form method="post" action="/example"' in page
    assert 'href="/models">' in page
    assert "Make a model smaller and faster" in page
    store_model(wb)
    assert 'href="/projects/new">' in client.get("/").text, "with a model there, one goes on from it"


def test_card_shows_the_best_variant_with_its_spread(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    page = client.get("/").text
    for words in (
        "MobileNet-v2 on ImageNet-500",
        "573 FPS",
        "318 FPS",
        "AccuracyAware",
        "1.80×",
        "± 0.03",
        "n = 500",
        "0.31×",
        "4.3 MB",
    ):
        assert words in page, words
    assert f'href="/projects/{project.id}"' in page
    assert "/model.onnx" in page
    assert client.get("/", headers=HTMX).text.strip() in page


def test_search_looks_in_names_and_is_in_the_address(client: TestClient, wb: Workbench) -> None:
    store_project(wb, name="Shoes on shelves")
    store_project(wb, name="Birds in trees")
    found = client.get("/?search=shoes")
    assert "Shoes on shelves" in found.text
    assert "Birds in trees" not in found.text
    assert 'value="shoes"' in found.text
    assert "No project is called that" in client.get("/?search=zebra").text


def test_hostile_search_and_names_stay_text(client: TestClient, wb: Workbench) -> None:
    store_project(wb, name=factories.HOSTILE)
    for path in ("/", "/?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"):
        page = client.get(path).text
        assert "<img src=x" not in page
        assert "<script>alert" not in page


def test_list_follows_what_runs(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    assert "every 3s" not in client.get("/").text
    run = store_run(wb, project_id=project.id, settings=QuantizationSettings(method="accuracy-aware"))
    page = client.get("/").text
    assert "every 3s" in page
    assert f'href="/runs/{run}"' in page
    assert "Optimization running" in page


BASE, DEFAULT, AWARE = factories.three_variants()[0], factories.a_default(), factories.an_accuracy_aware()
BASELINE_RUN = factories.a_run(kind="baseline", settings=None, title="Baseline")
STATES: dict[str, tuple[ProjectView, str, str, list[str]]] = {
    "certified": (
        factories.a_project(
            variants=(BASE, factories.an_accuracy_aware(lost=0, gained=0)), best=factories.an_accuracy_aware(lost=0, gained=0)
        ),
        "Limit 1.0 kept, certified",
        "Download",
        ["fp32", "int8-accuracy-aware"],
    ),
    "not certain": (factories.a_project(), "Limit 1.0 kept, not certain", "Download", ["fp32", "int8-accuracy-aware"]),
    "fp32 kept": (
        factories.a_project(variants=(BASE, factories.a_default(ratio=0.98, fps=311.0)), best=BASE),
        "FP32 kept",
        "Why?",
        ["fp32", "int8-default"],
    ),
    "baseline only": (factories.a_project(variants=(BASE,), best=BASE), "Baseline measured", "Optimize", ["fp32"]),
    "baseline running": (
        factories.a_project(
            variants=(replace(BASE, evaluation=None, grid=None, paired=None),), best=None, active_run=BASELINE_RUN
        ),
        "Baseline running",
        "Watch",
        [],
    ),
    "waiting": (
        factories.a_project(variants=(BASE,), best=BASE, active_run=replace(BASELINE_RUN, state="queued")),
        "Baseline waiting",
        "Watch",
        ["fp32"],
    ),
    "nothing measured": (
        factories.a_project(variants=(replace(BASE, evaluation=None, grid=None, paired=None),), best=None),
        "Not measured yet",
        "Optimize",
        [],
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_card_of_each_state(state: str) -> None:
    project, chip, action, bars = STATES[state]
    card = project_card(project)
    assert card.chip is not None
    assert (card.chip.text, card.action.label, [bar.method for bar in card.bars]) == (chip, action, bars)


def test_longest_bar_is_the_fastest_variant() -> None:
    shares = {bar.method: bar.share for bar in project_card(factories.a_project()).bars}
    assert shares["int8-accuracy-aware"] == 1
    assert shares["fp32"] == pytest.approx(318 / 573)


def test_without_labels_the_card_speaks_of_agreement() -> None:
    base, best = factories.a_variant(labelled=False), factories.a_default(labelled=False)
    labels = [stat.label for stat in project_card(factories.a_project(variants=(base, best), best=best)).stats]
    assert labels == ["Speed-up", "Agreement, points", "Size"]


def test_pill_says_what_runs_and_waits(client: TestClient, wb: Workbench) -> None:
    assert client.get("/fragments/queue").text.strip() == ""
    project = store_project(wb)
    store_run(wb, project_id=project.id)
    assert "1 running" in client.get("/fragments/queue").text


def test_gallery_draws_every_component(client: TestClient) -> None:
    page = client.get("/dev/components")
    assert page.status_code == 200
    assert page.text.count("<figure") == 1
