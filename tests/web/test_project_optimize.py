"""The optimize page: the plan follows the form, mistakes keep what was typed, a start is a queued run."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from app.engine.quantize.recipe import QuantizationSettings
from app.services import runs
from app.services.context import Workbench
from tests.support import rows
from tests.support.factories import a_model_description, a_variant
from tests.support.pages import Page, fragment, squeezed, whole_page

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
RIGHT = {
    "method": "accuracy-aware",
    "max_drop": "1.0",
    "drop_type": "absolute",
    "preset": "performance",
    "subset_size": "300",
    "seed": "0",
    "range_estimator": "auto",
}


def typed(page: Page) -> dict[str, str]:
    return {control["name"]: control.get("value", "") for control in page.controls if "name" in control}


def test_the_form_shows_plan_and_meaning(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    page = whole_page(client.get(f"/projects/{project.id}/optimize").text)
    text = squeezed(page.text)
    assert "from 86.2 % down to 85.2 % (5 images of 500, lost less gained)" in text.replace("at the lowest ", "")
    assert "What will happen" in text
    assert "Prepare samples" in text
    assert "maximal_drop 0.01" in text
    assert typed(page)["subset_size"] == "300"


def test_a_change_swaps_plan_and_meaning(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    changed = {**RIGHT, "max_drop": "2", "drop_type": "relative"}
    answer = client.get(f"/projects/{project.id}/optimize", params=changed, headers=HTMX)
    fragment(answer.text)
    assert 'id="plan"' in answer.text
    assert "hx-swap-oob" in answer.text
    assert "at most 1.7 points" in answer.text


def test_default_needs_no_search(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    plan = fragment(client.get(f"/projects/{project.id}/optimize?method=default", headers=HTMX).text).text
    assert "Rank layers by harm" not in plan


def test_the_projects_limit_is_proposed(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb, max_drop=0.5)
    page = whole_page(client.get(f"/projects/{project.id}/optimize").text)
    assert typed(page)["max_drop"] == "0.5"


def test_a_limit_that_n_cannot_certify_is_hatched_and_said(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    html = client.get(f"/projects/{project.id}/optimize?max_drop=0.2").text
    assert "too small to certify" in html
    assert 'class="note warn"' in html


def test_a_subset_larger_than_the_dataset_is_clamped_and_said(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    plan = squeezed(fragment(client.get(f"/projects/{project.id}/optimize?subset_size=800", headers=HTMX).text).text)
    assert "500" in plan
    answer = client.post(f"/projects/{project.id}/optimize", data={**RIGHT, "subset_size": "800"})
    assert answer.status_code == 303
    settings = runs.get_run(wb, answer.headers["Location"].removeprefix("/runs/")).settings
    assert settings is not None
    assert settings.subset_size == 500


@pytest.mark.parametrize("wrong", ["-1", "NaN", "1e308", "", "much", "Infinity", "0x10"])
def test_a_wrong_drop_starts_nothing_and_keeps_everything(wb: Workbench, client: TestClient, wrong: str) -> None:
    project = rows.store_project(wb)
    before = len(runs.list_runs(wb, project.id))
    sent = {**RIGHT, "max_drop": wrong, "seed": "7", "subset_size": "123"}
    answer = client.post(f"/projects/{project.id}/optimize", data=sent)
    page = whole_page(answer.text)
    assert answer.status_code == 422
    assert "Not started: 1 value needs a change." in page.text
    assert "#max_drop" in page.links
    kept = typed(page)
    assert (kept["max_drop"], kept["seed"], kept["subset_size"]) == (wrong, "7", "123")
    assert len(runs.list_runs(wb, project.id)) == before


def test_all_mistakes_are_said_at_once(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    sent = {**RIGHT, "max_drop": "-1", "subset_size": "0", "seed": "x"}
    text = squeezed(whole_page(client.post(f"/projects/{project.id}/optimize", data=sent).text).text)
    assert "Not started: 3 values need a change." in text
    assert "it is written without a minus: 1." in text


def test_mistakes_while_typing_stay_in_the_box(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.get(f"/projects/{project.id}/optimize?max_drop=-1", headers=HTMX)
    assert answer.status_code == 200
    assert "The plan follows as soon as the values are right." in fragment(answer.text).text


def test_start_queues_a_run_with_these_settings(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    sent = {**RIGHT, "max_drop": "0,5", "preset": "mixed", "seed": "3", "subset_size": "64"}
    answer = client.post(f"/projects/{project.id}/optimize", data=sent)
    assert answer.status_code == 303
    run = runs.get_run(wb, answer.headers["Location"].removeprefix("/runs/"))
    assert run.state == "queued"
    assert run.settings is not None
    assert (run.settings.max_drop, run.settings.preset, run.settings.seed, run.settings.subset_size) == (0.5, "mixed", 3, 64)


def test_a_model_that_cannot_become_int8_says_why(wb: Workbench, client: TestClient) -> None:
    model = rows.store_model(wb, name="quantized.onnx", description=a_model_description(precision="int8"))
    project = rows.store_project(wb, [a_variant()], model_id=model)
    page = whole_page(client.get(f"/projects/{project.id}/optimize").text)
    assert "optimize.already_quantized" in page.text
    answer = client.post(f"/projects/{project.id}/optimize", data=RIGHT)
    assert answer.status_code == 422
    assert "optimize.already_quantized" in answer.text


def test_hostile_text_in_the_form_means_nothing(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    attack = '"><script>alert(1)</script>'
    answer = client.post(f"/projects/{project.id}/optimize", data={**RIGHT, "max_drop": attack, "preset": attack})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    whole_page(answer.text)


POT = """{ // as POT's own examples
    "model": {"model_name": "mobilenet-v2"},
    "compression": {"algorithms": [{
        "name": "AccuracyAwareQuantization",
        "params": {
            "preset": "mixed", "stat_subset_size": 120, "maximal_drop": 0.005, "use_layerwise_tuning": true,
            "activations": {"range_estimator": {"max": {"type": "quantile", "outlier_prob": 0.001}}},
            "weights": {"granularity": "pertensor"},
            "ignored": {"scope": ["head/conv", "<b>"]},
        },
    }]},
}"""


def is_open(html: str) -> bool:
    return 'id="more" open' in html


def test_who_never_opens_more_settings_gets_the_usual_ones(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    html = client.get(f"/projects/{project.id}/optimize").text
    assert not is_open(html)
    answer = client.post(f"/projects/{project.id}/optimize", data={"method": "default"})
    settings = runs.get_run(wb, answer.headers["Location"].removeprefix("/runs/")).settings
    assert settings == QuantizationSettings()


@pytest.mark.parametrize("way", ["pasted", "as a file"])
def test_a_pot_file_fills_the_form_and_starts_nothing(wb: Workbench, client: TestClient, way: str) -> None:
    project = rows.store_project(wb)
    before = len(runs.list_runs(wb, project.id))
    data, files = ({"pot": POT}, {}) if way == "pasted" else ({"pot": ""}, {"pot_file": ("pot.json", POT.encode())})
    answer = client.post(f"/projects/{project.id}/optimize/pot", data=data, files=files or None)
    assert answer.status_code == 200
    page = whole_page(answer.text)
    assert len(runs.list_runs(wb, project.id)) == before
    assert is_open(answer.text)
    kept = typed(page)
    assert (kept["max_drop"], kept["subset_size"]) == ("0.5", "120")
    for chosen in ("mixed", "per-tensor", "percentile:99.9"):
        assert f'<option value="{chosen}" selected>' in answer.text
    assert "head/conv\n&lt;b&gt;</textarea>" in answer.text
    notes = squeezed(page.text)
    assert "model: has no effect here" in notes
    assert "compression.algorithms[0].params.use_layerwise_tuning: has no effect here" in notes
    assert "Prepare samples" in notes  # with the plan


@pytest.mark.parametrize(
    ("text", "code"), [("", "pot.json"), ("{", "pot.json"), ("{}", "pot.shape"), ('{"compression": {}}', "pot.algorithm")]
)
def test_a_pot_file_that_cannot_be_read_changes_nothing(wb: Workbench, client: TestClient, text: str, code: str) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/optimize/pot", data={**RIGHT, "seed": "7", "pot": text})
    assert answer.status_code == 422
    page = whole_page(answer.text)
    assert "#pot" in page.links
    assert code in page.text
    assert is_open(answer.text)
    assert typed(page)["seed"] == "7"
    assert f">\n{text}</textarea>" in answer.text.replace("&#34;", '"')


def test_a_huge_pot_file_is_refused(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/optimize/pot", files={"pot_file": ("a.json", b" " * 300_000)})
    assert answer.status_code == 422
    assert "pot.too_large" in answer.text


def test_all_more_settings_reach_the_run(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    by_hand = {
        "precision": "float16", "effort": "fast", "weight_granularity": "per-tensor", "weight_bits": "7",
        "activations": "symmetric", "range_estimator": "percentile:99.9", "keep_float": "Gemm\r\nblock1/*\r\n",
        "rounding": "off", "bias_correction": ["off", "on"], "alignment": "off", "speed_aware": "off",
    }  # fmt: skip
    answer = client.post(f"/projects/{project.id}/optimize", data={**RIGHT, **by_hand, "method": "default"})
    settings = runs.get_run(wb, answer.headers["Location"].removeprefix("/runs/")).settings
    assert settings == QuantizationSettings(
        precision="float16", effort="fast", weight_granularity="per-tensor", weight_bits=7, activations="symmetric",
        range_estimator="percentile:99.9", keep_float=("Gemm", "block1/*"), rounding=False, alignment=False, speed_aware=False,
    )  # fmt: skip


def test_mistakes_under_more_settings_open_it_and_carry_their_codes(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    answer = client.post(f"/projects/{project.id}/optimize", data={**RIGHT, "keep_float": "a\x00b", "range_estimator": "best"})
    assert answer.status_code == 422
    text = squeezed(whole_page(answer.text).text)
    assert is_open(answer.text)
    assert "settings.keep_float" in text
    assert "settings.range_estimator" in text


def test_the_plan_is_asked_for_without_the_text_of_a_pot_file(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    html = client.get(f"/projects/{project.id}/optimize").text
    assert """hx-vals='{"pot": "", "pot_file": ""}'""" in html
    first = html.index('type="submit"', html.index('class="grid g-main optimize"'))
    assert "hidden>Start" in html[first : first + 40]  # what Enter presses in a field
