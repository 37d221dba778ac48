"""The overview: what a project means, its variants, its limit; rename and delete."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.errors import WorkbenchError
from app.services import projects
from app.services.context import Workbench
from tests.support import rows
from tests.support.factories import HOSTILE, a_default, a_variant, an_accuracy_aware, three_variants, trials
from tests.support.pages import fragment, squeezed, whole_page

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def test_variants_show_their_measured_numbers(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    page = whole_page(client.get(f"/projects/{project.id}").text)
    text = squeezed(page.text)
    for shown in (
        "2.00× ± 0.03",
        "637 ± 8 FPS",
        "−1.8 ± 1.8",
        "84.4 %",
        "3.8 MB",
        "0.27×",
        "Missed by 0.8",
        "Kept, not certain",
    ):
        assert shown in text
    assert f"/variants/{project.variant_ids[1]}/model.onnx" in page.links


def test_the_best_variant_is_the_first_download(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    html = client.get(f"/projects/{project.id}").text
    assert "Download AccuracyAware, 4.3 MB" in html


def test_a_slower_variant_is_said_to_be_slower(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(), a_default(fps=300.0, ratio=0.94)])
    text = squeezed(whole_page(client.get(f"/projects/{project.id}").text).text)
    assert "INT8 is not faster on this CPU, so the float model stays." in text
    assert "Slower than FP32" in text
    assert "Download INT8 Default" not in text.split("Variants")[0]


def test_a_fresh_project_waits_for_its_baseline(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [replace(a_variant(), evaluation=None, grid=None, paired=None)])
    run = rows.store_run(wb, kind="baseline", project_id=project.id)
    html = client.get(f"/projects/{project.id}").text
    text = squeezed(whole_page(html).text)
    assert "The baseline is being measured" in html
    assert f'hx-sse:connect="/runs/{run}/events' in html
    assert "How this was measured" not in text


def test_a_failed_baseline_says_why_and_can_be_repeated(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [replace(a_variant(), evaluation=None, grid=None, paired=None)])
    error = WorkbenchError("stage.memory", "Measuring needed more than 4.0 GB.", hint="Use smaller images.").as_dict()
    rows.store_run(wb, kind="baseline", state="failed", project_id=project.id, error=error)
    page = whole_page(client.get(f"/projects/{project.id}").text)
    assert "Measuring needed more than 4.0 GB." in page.text
    assert f"/projects/{project.id}/baseline" in [form["action"] for form in page.forms]
    answer = client.post(f"/projects/{project.id}/baseline")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/runs/")


def test_a_baseline_alone_offers_both_methods(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [replace(a_variant(), paired=None)])
    page = whole_page(client.get(f"/projects/{project.id}").text)
    assert "431 of 500" in page.text
    assert f"/projects/{project.id}/optimize?method=accuracy-aware" in page.links


def test_without_labels_agreement_stands_in(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(labelled=False), a_default(labelled=False, lost=30, gained=0)])
    text = squeezed(whole_page(client.get(f"/projects/{project.id}").text).text)
    assert "Agreement with FP32" in text
    assert "94.0 %" in text
    assert "stands in for accuracy" in text


def test_the_last_search_is_drawn(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    rows.store_run(wb, state="succeeded", project_id=project.id, trials=trials())
    page = whole_page(client.get(f"/projects/{project.id}").text)
    assert "The last search" in page.text


def test_hostile_names_mean_nothing(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(), replace(a_default(), name=HOSTILE)], name=HOSTILE)
    html = client.get(f"/projects/{project.id}").text
    whole_page(html)
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_the_limit_moves_without_a_run(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    before = client.get(f"/projects/{project.id}").text
    answer = client.post(f"/projects/{project.id}/limit", data={"max_drop": "2"}, headers=HTMX)
    part = fragment(answer.text)
    assert answer.status_code == 200
    assert "Missed by 0.8" in before
    assert "Missed by" not in part.text
    assert "Your limit: 84.2" in answer.text
    assert projects.get_project(wb, project.id).max_drop == 2.0
    assert projects.get_project(wb, project.id).active_run is None


def test_the_limit_works_without_scripts(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/limit", data={"max_drop": "0,5"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/projects/{project.id}")
    assert projects.get_project(wb, project.id).max_drop == 0.5


@pytest.mark.parametrize("typed", ["-1", "NaN", "1e308", "", "many", "101"])
@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_a_wrong_limit_changes_nothing_and_says_what_to_give(
    wb: Workbench, client: TestClient, typed: str, headers: dict[str, str]
) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/limit", data={"max_drop": typed}, headers=headers)
    assert answer.status_code == (200 if headers else 422)
    assert "Give 0 to 100." in answer.text
    assert f'value="{typed}"' in answer.text
    assert projects.get_project(wb, project.id).max_drop == 1.0


def test_rename(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/rename", data={"name": "  Better name "})
    assert answer.status_code == 303
    assert whole_page(client.get(f"/projects/{project.id}").text).title.startswith("Better name")


def test_a_name_that_is_none_is_refused(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, name="Kept")
    answer = client.post(f"/projects/{project.id}/rename", data={"name": "   "}, follow_redirects=True)
    assert "Kept" in whole_page(answer.text).title
    assert 'class="note bad"' in answer.text


def test_deleting_asks_first_and_takes_variants_along(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    asked = whole_page(client.get(f"/projects/{project.id}/delete").text)
    assert f"/projects/{project.id}/delete" in [form["action"] for form in asked.forms]
    assert client.get(f"/projects/{project.id}").status_code == 200
    assert client.post(f"/projects/{project.id}/delete").status_code == 303
    assert client.get(f"/projects/{project.id}").status_code == 404
    assert client.get(f"/variants/{project.variant_ids[0]}/model.onnx").status_code == 404


@pytest.mark.parametrize("path", ["", "/optimize", "/runs", "/compare", "/delete", "/report.html"])
def test_an_unknown_project_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(f"/projects/nothing{path}")
    assert answer.status_code == 404
    whole_page(answer.text)


def test_the_banner_is_a_fragment_of_its_own(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(), an_accuracy_aware()])
    run = rows.store_run(wb, project_id=project.id)
    part = fragment(client.get(f"/runs/{run}/banner", headers=HTMX).text)
    assert f"/runs/{run}" in part.links


def test_pages_of_many_variants_stay_whole(wb: Workbench, client: TestClient) -> None:
    more = [replace(a_default(), id=f"more-{n}", name=f"INT8 Default {n}") for n in range(8)]
    project = rows.store_project(wb, [*three_variants(), *more])
    whole_page(client.get(f"/projects/{project.id}").text)
    whole_page(client.get(f"/projects/{project.id}/compare").text)
