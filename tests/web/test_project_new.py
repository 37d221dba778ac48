"""A new project: choose, check how images become inputs, set every value, create."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from app.errors import WorkbenchError
from app.services import projects
from app.services.context import Workbench
from app.storage.tables import Run
from tests.support import rows
from tests.support.factories import HOSTILE, a_dataset_description, a_model_description, a_preflight_result
from tests.support.pages import Page, squeezed, whole_page

FULL = {"HX-Request": "true", "HX-Request-Type": "full"}


def form_of(page: Page) -> dict[str, str]:
    """What the browser would send: fields as they are (selects keep what the test sets)."""
    return {c["name"]: c.get("value", "") for c in page.controls if "name" in c and "value" in c}


@pytest.fixture
def chosen(wb: Workbench) -> tuple[str, str]:
    return rows.store_model(wb), rows.store_dataset(wb)


def sent(model: str, dataset: str, preflight: str, **changes: str) -> dict[str, str]:
    usual = {
        "model": model,
        "dataset": dataset,
        "preflight": preflight,
        "found": preflight,
        "runtime": "onnxruntime",
        "name": "My project",
        "colour": "BGR",
        "mean": "0, 0, 0",
        "divide_by": "1, 1, 1",
        "resize": "shorter-side",
        "shorter_side": "256",
        "height": "224",
        "width": "224",
        "interpolation": "bilinear",
        "layout": "NCHW",
        "label_offset": "0",
    }
    return {**usual, **changes}


def test_without_anything_it_says_what_to_upload(client: TestClient) -> None:
    page = whole_page(client.get("/projects/new").text)
    assert "/models" in page.links
    assert "/datasets" in page.links


def test_what_is_ready_can_be_chosen(wb: Workbench, client: TestClient) -> None:
    rows.store_model(wb, name="one.onnx")
    rows.store_model(wb, name="two.onnx")
    rows.store_model(wb, name="broken.onnx", state="refused")
    rows.store_dataset(wb)
    html = client.get("/projects/new").text
    whole_page(html)
    assert "one.onnx" in html
    assert "two.onnx" in html
    assert "broken.onnx" not in html


def test_a_link_from_a_model_chooses_it(client: TestClient, chosen: tuple[str, str]) -> None:
    model, dataset = chosen
    html = client.get(f"/projects/new?model={model}&dataset={dataset}").text
    assert f'<option value="{model}" selected>' in html
    assert 'hx-post="/preflights" hx-include="#choose" hx-trigger="load"' in html


def test_choosing_starts_a_preflight_with_its_own_address(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    model, dataset = chosen
    answer = client.post("/preflights", data={"model": model, "dataset": dataset})
    assert answer.status_code == 303
    place = answer.headers["Location"]
    page = whole_page(client.get(place).text)
    assert "2. Does the model see the images rightly?" in page.text
    seen = client.get(place, headers=FULL)
    assert seen.headers["HX-Replace-Url"] == place
    whole_page(seen.text)


@pytest.mark.parametrize("missing", ["model", "dataset"])
def test_half_a_choice_starts_nothing(client: TestClient, chosen: tuple[str, str], missing: str) -> None:
    data = {"model": chosen[0], "dataset": chosen[1], missing: ""}
    answer = client.post("/preflights", data=data)
    assert answer.status_code == 200
    whole_page(answer.text)


def test_a_model_of_any_size_asks_for_the_size_first(wb: Workbench, client: TestClient) -> None:
    model = rows.store_model(wb, name="any.onnx", description=a_model_description(height=None, width=None))
    dataset = rows.store_dataset(wb)
    page = whole_page(client.post("/preflights", data={"model": model, "dataset": dataset}).text)
    assert "takes images of any size" in page.text
    wrong = client.post("/preflights", data={"model": model, "dataset": dataset, "height": "0", "width": "wide"})
    assert wrong.status_code == 422
    assert "Not checked: 2 values need a change." in whole_page(wrong.text).text
    right = client.post("/preflights", data={"model": model, "dataset": dataset, "height": "160", "width": "160"})
    run_id = right.headers["Location"].rpartition("=")[2]
    with wb.database.read() as session:
        params = session.get_one(Run, run_id).params
    assert (params["height"], params["width"]) == (160, 160)


def test_the_answer_comes_with_pictures_and_values(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    html = client.get(f"/projects/new?preflight={run}").text
    page = whole_page(html)
    text = squeezed(page.text)
    for shown in (
        "Yes: 44 of 48 predictions match their labels.",
        "Checked on 48 images in 6.2 s",
        "Label: class 0",
        "1 × 3 × 224 × 224, float32",
        "104, 116, 123",
        "BGR, 0 to 255, centre 224",
        "44 of 48",
        "def preprocess(path):",
    ):
        assert shown in text
    assert form_of(page)["mean"] == "0, 0, 0"
    assert '<option value="BGR" selected>' in html


def test_misses_can_be_seen_alone(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    text = squeezed(whole_page(client.get(f"/projects/new?preflight={run}&show=misses").text).text)
    assert "coffee mug 0.52" in text
    assert "Label: class 0 " not in text


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (a_preflight_result(matches=20, decided="close"), "Perhaps: 20 of 48 predictions match their labels."),
        (a_preflight_result(matches=10, decided="guess"), "Perhaps: 10 of 48"),
        (a_preflight_result(labelled=False), "Without labels nobody can say"),
        (a_preflight_result(decided="by-hand"), "Checked with the values below."),
    ],
)
def test_doubts_are_said(wb: Workbench, client: TestClient, chosen: tuple[str, str], result: object, says: str) -> None:
    run = rows.store_preflight(wb, *chosen, result)  # type: ignore[arg-type]
    assert says in squeezed(whole_page(client.get(f"/projects/new?preflight={run}").text).text)


def test_a_failed_preflight_leaves_the_values_to_set(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    error = WorkbenchError("preflight.channels", f"The model takes 4 channels. {HOSTILE}", hint="Images have 1 or 3.")
    run = rows.store_preflight(wb, *chosen, state="failed", error=error.as_dict())
    html = client.get(f"/projects/new?preflight={run}").text
    page = whole_page(html)
    assert "preflight.channels" in page.text
    assert "<img src=x" not in html
    assert form_of(page)["height"] == "224"


def test_previews_are_pictures_of_this_run_only(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    answer = client.get(f"/preflights/{run}/previews/preview-000.jpg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"\xff\xd8")
    assert client.get(f"/preflights/{run}/previews/index.json").status_code == 404
    assert client.get("/preflights/nothing/previews/preview-000.jpg").status_code == 404


def test_check_again_uses_the_typed_values(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    data = sent(*chosen, run, colour="RGB", divide_by="255", fixed="1", label_offset="1")
    answer = client.post("/preflights", data=data)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"&found={run}&name=My+project")
    assert form_of(whole_page(client.get(answer.headers["Location"]).text)).get("mean") is None  # it is being checked
    new_run = answer.headers["Location"].split("preflight=")[1].split("&")[0]
    with wb.database.read() as session:
        params = session.get_one(Run, new_run).params
    assert params["fixed"]["colour"] == "RGB"
    assert params["fixed"]["divide_by"] == [255.0, 255.0, 255.0]
    assert params["label_offset"] == 1


def test_back_to_found_values(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    found = rows.store_preflight(wb, *chosen)
    by_hand = rows.store_preflight(wb, *chosen, a_preflight_result(decided="by-hand"))
    page = whole_page(client.get(f"/projects/new?preflight={by_hand}&found={found}&name=Mine").text)
    assert f"/projects/new?preflight={found}&name=Mine" in page.links
    assert form_of(page)["name"] == "Mine"


@pytest.mark.parametrize("action", ["/preflights", "/projects"])
@pytest.mark.parametrize(("field", "typed"), [("mean", "1, 2"), ("divide_by", "0"), ("height", "-4"), ("label_offset", "x")])
def test_mistakes_keep_what_was_typed(
    wb: Workbench, client: TestClient, chosen: tuple[str, str], action: str, field: str, typed: str
) -> None:
    run = rows.store_preflight(wb, *chosen)
    data = sent(*chosen, run, **{field: typed}, **({"fixed": "1"} if action == "/preflights" else {}))
    answer = client.post(action, data=data)
    page = whole_page(answer.text)
    assert answer.status_code == 422
    assert f"#{field}" in page.links
    kept = form_of(page)
    assert (kept[field], kept["name"]) == (typed, "My project")
    assert projects.list_projects(wb) == ()


def test_create_measures_the_baseline_at_once(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    answer = client.post("/projects", data=sent(*chosen, run))
    assert answer.status_code == 303
    project = projects.get_project(wb, answer.headers["Location"].removeprefix("/projects/"))
    assert project.name == "My project"
    assert project.preprocessing.colour == "BGR"
    assert (project.task.output, project.task.classes) == ("scores", 1000)
    assert project.active_run is not None
    assert project.active_run.kind == "baseline"


def test_create_without_a_preflight_takes_the_file_at_its_word(
    wb: Workbench, client: TestClient, chosen: tuple[str, str]
) -> None:
    answer = client.post("/projects", data=sent(*chosen, ""))
    assert answer.status_code == 303


def test_a_project_needs_a_name(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    answer = client.post("/projects", data=sent(*chosen, run, name="  "))
    assert answer.status_code == 422
    assert "#name" in whole_page(answer.text).links


def test_a_value_that_does_not_fit_the_model_is_said_beside_it(
    wb: Workbench, client: TestClient, chosen: tuple[str, str]
) -> None:
    run = rows.store_preflight(wb, *chosen)
    answer = client.post("/preflights", data=sent(*chosen, run, height="100", fixed="1"))
    assert answer.status_code == 422
    assert "#height" in whole_page(answer.text).links


def test_without_labels_it_says_what_stands_in(wb: Workbench, client: TestClient) -> None:
    model = rows.store_model(wb)
    dataset = rows.store_dataset(wb, description=a_dataset_description(labelled=0, classes=0))
    text = squeezed(whole_page(client.get(f"/projects/new?model={model}&dataset={dataset}").text).text)
    assert "agreement with FP32 stands in for accuracy" in text


def test_a_preflight_run_leads_to_its_page(wb: Workbench, client: TestClient, chosen: tuple[str, str]) -> None:
    run = rows.store_preflight(wb, *chosen)
    assert client.get(f"/runs/{run}").headers["Location"] == f"/projects/new?preflight={run}"


def test_an_unknown_preflight_is_not_found(wb: Workbench, client: TestClient) -> None:
    assert client.get("/projects/new?preflight=nothing").status_code == 404
    run = rows.store_run(wb, kind="baseline", project_id=rows.store_project(wb).id)
    assert client.get(f"/projects/new?preflight={run}").status_code == 404
