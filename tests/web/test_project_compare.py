"""Comparison: the choice is in the URL, the words come with their numbers, the CSV runs nothing."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.services import runs
from app.services.context import Workbench
from app.web.pages.compare import guarded
from tests.support import rows
from tests.support.factories import HOSTILE, a_default, a_paired, a_told_recipe, a_variant, an_accuracy_aware
from tests.support.pages import squeezed, whole_page


def test_all_variants_are_compared_against_fp32(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    page = whole_page(client.get(f"/projects/{project.id}/compare").text)
    text = squeezed(page.text)
    for shown in ("faster", "2.00× ± 0.03", "less accurate", "−1.8 ± 1.8 points", "smaller", "0.27×"):
        assert shown in text


def test_what_was_done_stands_below_and_rewrites_of_fp32_in_the_table(wb: Workbench, client: TestClient) -> None:
    told = a_default(recipe=a_told_recipe(), twin=a_paired(350.0, 1.1, name="fp32-rewritten"))
    project = rows.store_project(wb, [a_variant(), an_accuracy_aware(), told])
    text = squeezed(whole_page(client.get(f"/projects/{project.id}/compare").text).text)
    assert "FP32, same rewrites" in text
    assert "1.10× ± 0.03" in text
    assert "What was done: INT8 Default" in text
    assert "What was done: INT8 AccuracyAware" in text
    assert "another range" in text


def test_the_choice_is_in_the_url(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    fp32, aware, default = project.variant_ids
    page = whole_page(client.get(f"/projects/{project.id}/compare?v={fp32}&v={default}").text)
    assert "INT8 AccuracyAware" not in page.text.split("Comparing")[1].split("Add")[0]
    assert any(link.endswith(f"v={default}&v={aware}&against={fp32}") for link in page.links)


def test_another_variant_can_be_the_reference(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, predictions=True)
    _, aware, default = project.variant_ids
    text = squeezed(whole_page(client.get(f"/projects/{project.id}/compare?against={default}").text).text)
    assert "Against INT8 Default, 95 % sure" in text
    assert "+1.8" in text
    assert aware


def test_one_variant_is_nothing_to_compare(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant()])
    assert "There is nothing to compare yet" in whole_page(client.get(f"/projects/{project.id}/compare").text).text


def test_a_variant_of_elsewhere_is_not_found(wb: Workbench, client: TestClient) -> None:
    project, other = rows.store_project(wb), rows.store_project(wb, name="Other")
    answer = client.get(f"/projects/{project.id}/compare?v={other.variant_ids[0]}")
    assert answer.status_code == 404
    whole_page(answer.text)


def test_measure_again_queues_one_run_of_these_variants(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    fp32, _, default = project.variant_ids
    answer = client.post(f"/projects/{project.id}/compare?v={fp32}&v={default}")
    assert answer.status_code == 303
    run = runs.get_run(wb, answer.headers["Location"].removeprefix("/runs/"))
    assert (run.kind, run.state) == ("compare", "queued")


def test_csv_has_a_row_per_variant_with_the_numbers_of_the_page(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.get(f"/projects/{project.id}/compare.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    read = {row["variant"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert float(read["INT8 Default"]["throughput_fps"]) == 637.0
    assert float(read["INT8 Default"]["change_points"]) == pytest.approx(-1.8)
    assert float(read["FP32"]["accuracy_percent"]) == pytest.approx(86.2)
    assert read["FP32"]["change_points"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_name_is_never_a_formula(wb: Workbench, client: TestClient, start: str) -> None:
    assert guarded(f"{start}cmd|calc!A0") == f"'{start}cmd|calc!A0"
    project = rows.store_project(wb, [a_variant(), replace(a_default(), name=f"{start}cmd|calc!A0")])
    read = list(csv.DictReader(io.StringIO(client.get(f"/projects/{project.id}/compare.csv").text, newline="")))
    assert all(not row["variant"].startswith(start) for row in read)


def test_numbers_below_zero_stay_numbers(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    read = list(csv.DictReader(io.StringIO(client.get(f"/projects/{project.id}/compare.csv").text)))
    assert all(not value.startswith("'") for row in read for value in row.values())


def test_hostile_names_mean_nothing(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, [a_variant(), replace(an_accuracy_aware(), name=HOSTILE)])
    html = client.get(f"/projects/{project.id}/compare").text
    whole_page(html)
    assert "<img src=x" not in html
