"""The JSON API: every route by its schema, one shape of errors, the services' answers as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json
from app.services import runs
from app.services.context import Workbench
from app.services.views import ModelView
from tests.support import factories
from tests.support.rows import (
    end_run,
    store_dataset,
    store_event,
    store_model,
    store_preflight,
    store_project,
    store_run,
    store_worker,
)

V1 = "/api/v1"


def errors_of(response: Any) -> dict[str, str]:
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "where", "hint"]
    assert all(isinstance(value, str) for value in body["error"].values())
    assert response.headers["content-type"] == "application/json"
    return body["error"]


def routes(client: TestClient) -> list[tuple[str, str]]:
    schema = client.get(f"{V1}/openapi.json").json()
    return [(method.upper(), path) for path, methods in schema["paths"].items() for method in methods]


def test_every_route_with_an_unknown_id_is_not_found_in_one_shape(client: TestClient) -> None:
    checked = 0
    for method, path in routes(client):
        if "{" not in path:
            continue
        bodies: dict[str, Any] = {
            "PATCH": {"name": "x"},
            "/optimize": {"settings": {}},
            "/plan": {"settings": {}},
            "/compare": {"variant_ids": ["a"]},
        }
        body = bodies.get(method) or next((value for end, value in bodies.items() if path.endswith(end)), None)
        url = "/api" + path.replace("{n}", "1").replace("{name}", "x.jpg")
        url = "/".join("nope" if part.startswith("{") else part for part in url.split("/"))
        response = client.request(method, url, json=body)
        assert response.status_code == 404, (method, path, response.text)
        assert errors_of(response)["code"].endswith(".not_found"), (method, path)
        checked += 1
    assert checked > 20


def test_every_list_answers_before_there_is_anything(client: TestClient) -> None:
    for method, path in routes(client):
        if method == "GET" and "{" not in path:
            assert client.get("/api" + path).status_code == 200, path


@pytest.mark.parametrize("path", ["models", "datasets", "projects", "runs"])
def test_long_list_comes_in_parts_when_asked(client: TestClient, wb: Workbench, path: str) -> None:
    for number in range(3):
        store_project(wb, name=f"Project {number}")

    def ids(**query: Any) -> list[str]:
        return [row["id"] for row in client.get(f"{V1}/{path}", params=query).json()]

    everything = ids()
    parts = [ids(limit=2, offset=offset) for offset in range(0, len(everything), 2)]
    assert [one for part in parts for one in part] == everything
    assert ids(offset=len(everything)) == []
    for wrong in ({"limit": 0}, {"offset": -1}, {"limit": 2**64}, {"offset": "x"}):
        response = client.get(f"{V1}/{path}", params=wrong)
        assert response.status_code == 422, wrong
        errors_of(response)


def test_schema_describes_every_route_and_names_no_other_host(client: TestClient) -> None:
    schema = client.get(f"{V1}/openapi.json").json()
    for methods in schema["paths"].values():
        for operation in methods.values():
            assert operation["description"].strip()
            assert operation["tags"]
    assert "http://" not in json.dumps(schema)
    assert "https://" not in json.dumps(schema)


def test_documentation_lists_every_route_without_loading_anything(client: TestClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    for method, path in routes(client):
        assert f"<b>{method}</b> /api{path}" in page.text
    assert "//cdn" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "where"),
    [
        ("GET", "/nowhere", None, 404, "route.not_found", ""),
        ("PUT", "/models", None, 405, "route.method", ""),
        ("POST", "/projects", {"name": 1}, 422, "request.invalid", "name"),
        ("POST", "/projects", {"nmae": "x"}, 422, "request.invalid", None),
        ("PATCH", "/models/x", {"name": "x", "size": 1}, 422, "request.invalid", "size"),
        ("GET", "/datasets/x/thumbnails/first", None, 422, "request.invalid", "path.n"),
        ("GET", f"/runs/x/events?after={10**30}", None, 422, "request.invalid", "query.after"),
        ("GET", "/uploads?kind=picture", None, 422, "request.invalid", "query.kind"),
        ("POST", "/projects/x/optimize", {"settings": {"max_drop": -1}}, 422, "settings.max_drop", "max_drop"),
        ("POST", "/projects/x/optimize", {"settings": {"max_drop": 1e308}}, 422, "settings.max_drop", "max_drop"),
        ("POST", "/projects/x/optimize", {"settings": {"subset_size": 0}}, 422, "settings.subset_size", "subset_size"),
        ("POST", "/projects/x/optimize", {"settings": {"method": "best"}}, 422, "request.invalid", "settings.method"),
        ("POST", "/projects/x/optimize", {"settings": {"speed": True}}, 422, "request.invalid", "settings.speed"),
        ("POST", "/projects/x/optimize", {"settings": {"weight_bits": 6}}, 422, "request.invalid", "settings.weight_bits"),
        ("POST", "/projects/x/optimize", {"settings": {"seed": -1}}, 422, "settings.seed", "seed"),
        ("POST", "/projects/x/optimize", {"settings": {"keep_float": [""]}}, 422, "settings.keep_float", "keep_float"),
        (
            "POST",
            "/projects/x/optimize",
            {"settings": {"range_estimator": "kl"}},
            422,
            "settings.range_estimator",
            "range_estimator",
        ),
        ("POST", "/pot", {"text": "{"}, 422, "pot.json", "line 1, column 2"),
        ("POST", "/pot", {"text": "{}", "file": "x"}, 422, "request.invalid", "file"),
    ],
)
def test_mistakes_are_explained(
    client: TestClient, method: str, path: str, body: Any, status: int, code: str, where: str | None
) -> None:
    response = client.request(method, V1 + path, json=body)
    assert response.status_code == status
    error = errors_of(response)
    assert error["code"] == code
    assert where is None or error["where"] == where


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_tolerance_that_is_no_number_is_refused(client: TestClient, wb: Workbench, number: str) -> None:
    project = store_project(wb)
    content = f'{{"settings": {{"max_drop": {number}}}}}'
    headers = {"Content-Type": "application/json"}
    response = client.post(f"{V1}/projects/{project.id}/optimize", content=content, headers=headers)
    assert (response.status_code, errors_of(response)["code"]) == (422, "settings.max_drop")
    assert wb.queue.waiting() == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "\xff", "[" * 200_000, "1" * 10_000], ids=range(7))
def test_a_body_that_is_not_json_is_refused(client: TestClient, content: str) -> None:
    response = client.post(f"{V1}/preflights", content=content.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert errors_of(response)["code"] == "request.invalid"


def test_our_own_mistake_has_the_same_shape_and_no_details(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret of the server")

    monkeypatch.setattr("app.services.models.list_models", fail)
    response = client.get(f"{V1}/models")
    assert response.status_code == 500
    assert errors_of(response)["code"] == "internal"
    assert "secret" not in response.text


def test_models_can_be_renamed_and_deleted(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb)
    (listed,) = client.get(f"{V1}/models").json()
    assert from_json(ModelView, listed).description == factories.a_model_description()
    renamed = client.patch(f"{V1}/models/{model_id}", json={"name": "  Mine "})
    assert renamed.json()["name"] == "Mine"
    assert client.delete(f"{V1}/models/{model_id}").status_code == 204
    assert client.get(f"{V1}/models/{model_id}").status_code == 404
    used = store_project(wb)
    refused = client.delete(f"{V1}/models/{used.model_id}")
    assert (refused.status_code, errors_of(refused)["code"]) == (409, "model.in_use")


def test_a_project_from_preflight_to_report(client: TestClient, wb: Workbench) -> None:
    model, dataset = store_model(wb), store_dataset(wb)
    asked = client.post(f"{V1}/preflights", json={"model_id": model, "dataset_id": dataset})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    found = client.get(f"{V1}/preflights/{store_preflight(wb, model, dataset)}").json()
    picture = client.get(f"{V1}/preflights/{found['run']['id']}/previews/{found['previews'][0]}")
    assert picture.headers["content-type"] in ("image/jpeg", "image/png")
    chosen = found["result"]["candidates"][found["result"]["chosen"]]["preprocessing"]
    task = {"output": "scores", "classes": 1000}
    body = {"name": "P", "model_id": model, "dataset_id": dataset, "preprocessing": chosen, "task": task}
    created = client.post(f"{V1}/projects", json=body)
    assert created.status_code == 201
    project = created.json()
    assert project["active_run"]["kind"] == "baseline"
    changed = client.patch(f"{V1}/projects/{project['id']}", json={"name": "Q", "max_drop": 0.5}).json()
    assert (changed["name"], changed["max_drop"]) == ("Q", 0.5)
    assert client.patch(f"{V1}/projects/{project['id']}", json={"max_drop": 101}).status_code == 422
    report = client.get(f"{V1}/projects/{project['id']}/report")
    assert report.text.lstrip().startswith("<!doctype html>")
    assert client.delete(f"{V1}/projects/{project['id']}").status_code == 204
    assert client.get(f"{V1}/projects").json() == []


def test_runs_are_planned_started_and_cancelled(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    body = {"settings": {"method": "accuracy-aware", "max_drop": 1.0, "subset_size": 9999}}
    plan = client.post(f"{V1}/projects/{project.id}/plan", json=body).json()
    assert plan["settings"]["subset_size"] == 500
    assert plan["notices"][0]["code"] == "settings.subset_clamped"
    started = client.post(f"{V1}/projects/{project.id}/optimize", json=body)
    assert (started.status_code, started.json()["title"]) == (202, "AccuracyAware, limit 1.0 point")
    run_id = started.json()["id"]
    assert [run["id"] for run in client.get(f"{V1}/queue").json()["runs"]] == [run_id]
    assert client.post(f"{V1}/runs/{run_id}/cancel").json()["state"] == "cancelled"
    compare = client.post(f"{V1}/projects/{project.id}/compare", json={"variant_ids": list(project.variant_ids)})
    assert compare.status_code == 202
    ids = [run["id"] for run in client.get(f"{V1}/projects/{project.id}/runs").json()]
    assert ids[:2] == [compare.json()["id"], run_id]
    assert len(client.get(f"{V1}/runs").json()) == len(ids)


def test_comparison_takes_variants_and_a_reference(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    original, aware, default = project.variant_ids
    query = {"variant": [aware, original], "against": aware}
    answer = client.get(f"{V1}/projects/{project.id}/comparison", params=query).json()
    assert answer["reference"]["id"] == aware
    assert [variant["id"] for variant in answer["variants"]] == [aware, original]
    assert default not in json.dumps(answer["variants"])


def test_downloads(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    variant = project.variant_ids[1]
    model = client.get(f"{V1}/variants/{variant}/model")
    assert model.headers["content-disposition"] == 'attachment; filename="mobilenet-v2-int8-accuracy-aware.onnx"'
    package = client.get(f"{V1}/variants/{variant}/package")
    assert package.content[:2] == b"PK"
    assert list(Path(wb.settings.data / "downloads").iterdir()) == []
    recipe = client.get(f"{V1}/variants/{variant}/recipe").json()
    assert recipe["settings"]["method"] == "accuracy-aware"
    original = client.get(f"{V1}/variants/{project.variant_ids[0]}/recipe")
    assert (original.status_code, errors_of(original)["code"]) == (404, "variant.no_recipe")


def test_health_counts_workers_and_jobs(client: TestClient, wb: Workbench) -> None:
    store_worker(wb)
    store_worker(wb, name="old", state="gone")
    runs.start_baseline(wb, store_project(wb).id)
    health = client.get(f"{V1}/health").json()
    assert {**health, "version": ""} == {"status": "ok", "version": "", "workers_up": 1, "running": 0, "waiting": 1}


def events_in(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block.strip() and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_events_come_in_order_and_go_on_behind_the_last_one(client: TestClient, wb: Workbench) -> None:
    run_id = store_run(wb, project_id=store_project(wb).id, settings=QuantizationSettings())
    first = store_event(wb, run_id, "Rank", "started")
    second = store_event(wb, run_id, "Rank", "log", 3, 9, "conv1 is the worst")
    end_run(wb, run_id, "succeeded")
    seen = events_in(client.get(f"{V1}/runs/{run_id}/events").text)
    assert [(event["event"], event["id"]) for event in seen] == [
        ("started", str(first)),
        ("log", str(second)),
        ("over", str(second)),
    ]
    logged = json.loads(seen[1]["data"])
    assert (logged["stage"], logged["done"], logged["total"], logged["message"]) == ("Rank", 3, 9, "conv1 is the worst")
    assert json.loads(seen[2]["data"]) == {"state": "succeeded"}
    again = client.get(f"{V1}/runs/{run_id}/events", headers={"Last-Event-ID": str(first)})
    assert [event["event"] for event in events_in(again.text)] == ["log", "over"]
    assert [event["event"] for event in events_in(client.get(f"{V1}/runs/{run_id}/events?after={second}").text)] == ["over"]
    for nonsense in ("9" * 5000, "-1", "²", "x"):
        headers = {"Last-Event-ID": nonsense.encode()}
        assert len(events_in(client.get(f"{V1}/runs/{run_id}/events", headers=headers).text)) == 3


def test_a_page_of_another_site_changes_nothing(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb)
    response = client.delete(f"{V1}/models/{model_id}", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert client.get(f"{V1}/models/{model_id}").status_code == 200


def test_a_pot_file_becomes_settings_that_can_be_sent(client: TestClient, wb: Workbench) -> None:
    text = (
        '{"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"stat_subset_size": 64, "seed": 3}}]}} // x'
    )
    answer = client.post(f"{V1}/pot", json={"text": text}).json()
    assert from_json(QuantizationSettings, answer["settings"]) == QuantizationSettings(subset_size=64, seed=3)
    assert answer["notes"] == []
    started = client.post(f"{V1}/projects/{store_project(wb).id}/optimize", json={"settings": answer["settings"]})
    assert started.status_code == 202
    assert started.json()["title"] == "INT8 Default · seed 3"
