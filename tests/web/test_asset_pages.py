"""Models and datasets: lists, one of them, the part that htmx asks for, rename and delete without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from app.engine.datasets.description import Unreadable
from app.engine.graph.description import Notice
from app.services.context import Workbench
from app.services.datasets import list_datasets
from app.services.models import list_models
from app.storage.tables import Dataset, Model
from tests.support import factories
from tests.support.htmx import HTMX
from tests.support.rows import store_blob, store_dataset, store_model, store_project

ERROR = {
    "code": "model.external_missing",
    "message": "The weights are in segmenter.data, which was not uploaded.",
    "where": "segmenter.onnx",
    "hint": "Upload a ZIP with both files.",
}


@pytest.mark.parametrize("path", ["/models", "/datasets"])
def test_empty_list_says_how_to_begin(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert "yet" in page.text
    assert 'data-upload="' in page.text
    assert "<noscript>" in page.text


def test_model_page_says_what_was_understood(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb)
    for path in ("/models", f"/models/{model_id}"):
        page = client.get(path).text
        for words in (
            "mobilenet-v2.onnx",
            "float32, batch × 3 × 224 × 224",
            "Image classification, 1,000 classes",
            "3.49 million",
            "0.30 billion multiply-adds per image",
            "13, pytorch",
            "14.0 MB",
            "Conv",
            "3.6 MB to 4.3 MB",
            "Ready",
        ):
            assert words in page, words


def test_part_is_the_part_of_the_whole_page(client: TestClient, wb: Workbench) -> None:
    ids = (store_model(wb), store_dataset(wb))
    for path in ("/models", "/datasets", f"/models/{ids[0]}", f"/datasets/{ids[1]}"):
        whole, part = client.get(path), client.get(path, headers=HTMX)
        assert "<html" not in part.text
        assert part.text.strip() in whole.text
        assert "HX-Request" in part.headers["Vary"]
        restored = client.get(path, headers={"HX-Request": "true", "HX-Request-Type": "full"})
        assert "<html" in restored.text


def test_list_follows_an_inspection_and_stops_when_it_is_over(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb, state="inspecting")
    following = client.get("/models", headers=HTMX).text
    assert "Looking into it" in following
    assert "every 1s" in following
    assert "every 1s" in client.get(f"/models/{model_id}", headers=HTMX).text
    with wb.database.write() as session:
        session.get_one(Model, model_id).state = "ready"
    assert "every 1s" not in client.get("/models", headers=HTMX).text
    assert "hx-get" not in client.get(f"/models/{model_id}", headers=HTMX).text


def test_refused_model_says_why_and_what_to_do(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb, state="refused", error=ERROR)
    with wb.database.write() as session:
        session.get_one(Model, model_id).description = None
    for path in ("/models", f"/models/{model_id}"):
        page = client.get(path).text
        assert "Cannot be used" in page
        for part in ERROR.values():
            assert part in page
        assert f"/models/{model_id}/delete" in page
        assert "Use in a project" not in page


def test_notice_is_shown_with_its_action(client: TestClient, wb: Workbench) -> None:
    notice = Notice("model.batch_fixed", "The batch is fixed at 1.", "Larger batches are not measured.")
    model_id = store_model(wb, description=factories.a_model_description(notices=(notice,), batch=1))
    page = client.get(f"/models/{model_id}").text
    assert notice.message in page
    assert notice.hint in page
    assert "Ready, 1 thing to know" in page
    assert "fixed at 1" in page


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_no_estimate_for_what_cannot_become_int8(client: TestClient, wb: Workbench, precision: str) -> None:
    model_id = store_model(wb, description=replace(factories.a_model_description(), precision=precision))
    page = client.get(f"/models/{model_id}").text
    assert "INT8, estimate" not in page
    assert "Only models with 32-bit float weights" in page


def test_unknown_sizes_are_said_to_be_unknown(client: TestClient, wb: Workbench) -> None:
    described = factories.a_model_description(multiply_adds=None, height=None, width=None, classes=None, producer="")
    page = client.get(f"/models/{store_model(wb, description=described)}").text
    assert "unknown: shapes are missing" in page


def test_dataset_page_says_what_was_understood(client: TestClient, wb: Workbench) -> None:
    described = factories.a_dataset_description(
        class_counts={"tench": 3, "goldfish": 2}, classes=2, class_names=("tench", "goldfish"), thumbnails=(0, 7)
    )
    dataset_id = store_dataset(wb, description=replace(described, thumbnail_labels=("tench", "goldfish")))
    page = client.get(f"/datasets/{dataset_id}").text
    for words in ("500 of 500 images", "2, 2 to 3 images each", "120 × 90 to 4288 × 2848 pixels", "about 1.0 points"):
        assert words in page, words
    assert f'src="/datasets/{dataset_id}/thumbnails/7" alt="goldfish"' in page


def test_dataset_names_the_files_left_out(client: TestClient, wb: Workbench) -> None:
    files = tuple(Unreadable(f"{n}.jpg", "ends too early") for n in range(7))
    page = client.get(f"/datasets/{store_dataset(wb, description=factories.a_dataset_description(unreadable=files))}").text
    assert "7 files are not readable." in page
    for file in files:
        assert file.name in page


def test_few_images_are_said_to_certify_little(client: TestClient, wb: Workbench) -> None:
    page = client.get(f"/datasets/{store_dataset(wb, description=factories.a_dataset_description(images=100, labelled=100))}")
    assert "100 labelled images cannot certify a small drop" in page.text
    assert "you need about" in page.text


def test_unlabelled_images_are_judged_by_agreement(client: TestClient, wb: Workbench) -> None:
    described = factories.a_dataset_description(
        format="unlabelled", labelled=0, classes=0, class_counts={}, label_min=None, label_max=None
    )
    page = client.get(f"/datasets/{store_dataset(wb, description=described)}").text
    assert "none: agreement with FP32 is measured" in page
    assert "Certifies" not in page


def test_thumbnail_is_served_once_and_for_ever(client: TestClient, wb: Workbench) -> None:
    dataset_id = store_dataset(wb)
    sha256 = store_blob(wb, b"\xff\xd8 a small picture")
    with wb.database.write() as session:
        row = session.get_one(Dataset, dataset_id)
        row.files = {**(row.files or {}), "thumb-7.jpg": sha256}
    answer = client.get(f"/datasets/{dataset_id}/thumbnails/7")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content == b"\xff\xd8 a small picture"
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get(f"/datasets/{dataset_id}/thumbnails/8").status_code == 404
    assert client.get(f"/datasets/{dataset_id}/thumbnails/..%2f7").status_code in (404, 422)


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_rename_works_without_javascript(client: TestClient, wb: Workbench, kind: str) -> None:
    asset_id = store_model(wb) if kind == "models" else store_dataset(wb)
    answer = client.post(f"/{kind}/{asset_id}/rename", data={"name": "  My   network "})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/{kind}/{asset_id}")
    names = [asset.name for asset in (*list_models(wb), *list_datasets(wb))]
    assert names == ["My network"]


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_refused_name_keeps_what_was_typed(client: TestClient, wb: Workbench, kind: str) -> None:
    asset_id = store_model(wb) if kind == "models" else store_dataset(wb)
    typed = "x" * 201
    answer = client.post(f"/{kind}/{asset_id}/rename", data={"name": typed})
    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.text
    assert "at most 200 characters" in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_delete_asks_first_and_says_so_afterwards(client: TestClient, wb: Workbench, kind: str) -> None:
    asset_id = store_model(wb, name="old") if kind == "models" else store_dataset(wb, name="old")
    question = client.get(f"/{kind}/{asset_id}/delete")
    assert "Delete old?" in question.text
    assert f'<form method="post" action="/{kind}/{asset_id}/delete"' in question.text
    answer = client.post(f"/{kind}/{asset_id}/delete")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/{kind}")
    assert "old was deleted." in client.get(f"/{kind}").text
    assert "old was deleted." not in client.get(f"/{kind}").text, "said once"
    assert client.get(f"/{kind}/{asset_id}").status_code == 404


def test_what_a_project_uses_cannot_be_deleted(client: TestClient, wb: Workbench) -> None:
    project = store_project(wb)
    question = client.get(f"/models/{project.model_id}/delete").text
    assert "a project uses it" in question
    assert "<form" not in question
    answer = client.post(f"/models/{project.model_id}/delete")
    assert answer.status_code == 409
    assert "model.in_use" in answer.text


def test_hostile_names_stay_text(client: TestClient, wb: Workbench) -> None:
    model_id = store_model(wb, name=factories.HOSTILE)
    dataset_id = store_dataset(wb, name=factories.HOSTILE)
    paths = ("/models", f"/models/{model_id}", f"/models/{model_id}/delete", "/datasets", f"/datasets/{dataset_id}")
    for path in paths:
        page = client.get(path).text
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
    client.post(f"/models/{model_id}/delete")
    assert "<img src=x" not in client.get("/models").text, "nor in what is said after a redirect"


@pytest.mark.parametrize("path", ["/models/nope", "/datasets/nope", "/models/nope/delete", "/datasets/nope/thumbnails/1"])
def test_what_is_gone_is_a_page_with_a_way_back(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is nothing here." in answer.text
    assert 'href="/"' in answer.text


def test_forged_flash_is_ignored_or_harmless(client: TestClient) -> None:
    for value in ("%7B", json.dumps(["evil", "x"]), json.dumps(["good", "<script>alert(1)</script>"]), "null", '"ab"'):
        client.cookies.set("workbench_flash", value)
        page = client.get("/models")
        assert page.status_code == 200
        assert "<script>alert" not in page.text


def test_list_asks_the_database_the_same_number_of_times_however_long(client: TestClient, wb: Workbench) -> None:
    counts = []
    for more in (1, 20):
        for _ in range(more):
            store_model(wb)
        counts.append(count_statements(wb, lambda: client.get("/models")))
    assert counts[0] == counts[1]


def count_statements(wb: Workbench, act: Callable[[], object]) -> int:
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(wb.database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(wb.database.engine, "before_cursor_execute", note)
    return len(statements)
