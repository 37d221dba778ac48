"""Downloads: the right bytes under a name that is safe in a header and on a disk."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.engine.quantize.recipe import Recipe
from app.engine.records import from_json
from app.services import variants
from app.services.context import Workbench
from app.web.downloads import attachment, safe_filename
from tests.support import rows
from tests.support.factories import HOSTILE, a_default, a_variant


def test_the_model_is_the_delivered_file(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    variant = project.variant_ids[1]
    answer = client.get(f"/variants/{variant}/model.onnx")
    assert answer.status_code == 200
    assert answer.content == variants.model_file(wb, variant).path.read_bytes()
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "onnx" in answer.headers["Content-Disposition"]


def test_the_recipe_reads_back(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.get(f"/variants/{project.variant_ids[2]}/recipe.json")
    assert from_json(Recipe, json.loads(answer.text)) == variants.get_variant(wb, project.variant_ids[2]).recipe


def test_the_original_has_no_recipe(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.get(f"/variants/{project.variant_ids[0]}/recipe.json")
    assert answer.status_code == 404
    assert "variant.no_recipe" in answer.text


def test_the_package_is_a_zip_and_leaves_nothing_behind(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    before = sorted(wb.settings.work.rglob("*"))
    answer = client.get(f"/variants/{project.variant_ids[1]}/package.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
        names = {name.rpartition("/")[2] for name in package.namelist()}
    assert {"model.onnx", "preprocessing.json", "recipe.json", "report.html"} <= names
    assert sorted(wb.settings.work.rglob("*")) == before


@pytest.mark.parametrize("path", ["variants/{variant}/report.html", "projects/{project}/report.html"])
def test_the_report_is_one_file_that_asks_for_nothing(wb: Workbench, client: TestClient, path: str) -> None:
    project = rows.store_project(wb, [a_variant(), replace(a_default(), name=HOSTILE)])
    answer = client.get("/" + path.format(variant=project.variant_ids[1], project=project.id))
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "<img src=x" not in answer.text
    assert "src=" not in answer.text.replace("src=x", "")
    assert "2.00×" in answer.text


@pytest.mark.parametrize("name", ["model.onnx", "package.zip", "recipe.json", "report.html"])
def test_an_unknown_variant_is_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/variants/nothing/{name}").status_code == 404


@given(st.text())
def test_a_filename_never_leaves_its_folder(name: str) -> None:
    safe = safe_filename(name)
    assert safe
    assert not set('/\\:*?"<>|\r\n\0') & set(safe)
    assert not safe.startswith(".")
    assert len(safe) <= 120


@given(st.text())
def test_a_filename_never_splits_a_header(name: str) -> None:
    value = attachment("", name, "text/plain").headers["Content-Disposition"]
    assert value.isascii()
    assert value.count('"') == 2
    assert not set("\r\n\0") & set(value)
