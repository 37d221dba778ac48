"""All seven steps by clicking, on the real server with its real worker: upload, understand, preflight, baseline, optimize,
compare, download. What the pages say is what /api/v1 says.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.screenshots import WANTED, picture
from tests.support.server import LiveServer
from tests.support.shared import ROOT
from tests.support.visitor import Visitor

pytestmark = pytest.mark.slow
expect.set_options(timeout=20_000)  # the machine may be busy with other tests

EXAMPLE = ROOT / "examples" / "fashion"
INSPECTION_MS = 90_000
RUN_MS = 240_000
BENCHMARK = {"WORKBENCH_BENCHMARK_SECONDS": "2" if WANTED else "0.5", "WORKBENCH_PAIRED_SECONDS": "12" if WANTED else "4"}


@pytest.fixture
def live_server(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path / "data", WORKBENCH_CORES="2", WORKBENCH_LOG_LEVEL="WARNING", **BENCHMARK).start()
    yield server
    server.stop()
    assert "Traceback" not in server.text()


def test_all_seven_steps(visitor: Visitor, live_server: LiveServer, tmp_path: Path) -> None:
    page = visitor.page("/")
    picture(visitor, "/", "01-first-visit")
    upload_both(visitor, page)
    preflight(visitor, page)
    project = baseline(visitor, page)
    optimize(visitor, page, project, "Default")
    optimize(visitor, page, project, "AccuracyAware")
    check_overview(visitor, page, project)
    check_comparison(visitor, page, project)
    check_downloads(page, project, tmp_path)
    picture(visitor, "/", "02-projects")
    picture(visitor, "/workers", "13-workers")


def upload_both(visitor: Visitor, page: Page) -> None:
    """Steps 1 and 2."""
    for path, file in (("/models", "fashion-cnn.onnx"), ("/datasets", "fashion-1000.zip")):
        page.goto(path)
        page.locator("input[type=file]").set_input_files(str(EXAMPLE / file))
        card = page.locator("section.card", has=page.get_by_role("heading", name=file))
        expect(card.get_by_text("Ready")).to_be_visible(timeout=INSPECTION_MS)
    (model,), (dataset,) = api(page, "models"), api(page, "datasets")
    page.goto("/models")
    expect(page.locator("main")).to_contain_text(f"{model['description']['parameters'] / 1e6:.2f} million")
    page.goto("/datasets")
    expect(page.locator("main")).to_contain_text(f"{dataset['description']['labelled']:,}")
    picture(visitor, "/models", "03-models")
    picture(visitor, "/datasets", "04-datasets")


def preflight(visitor: Visitor, page: Page) -> None:
    """Step 3: the check starts by choosing; a value is changed, checked, and taken back."""
    page.goto("/")
    page.get_by_role("link", name=re.compile("New project|Start with your own model|Create a project")).first.click()
    if "/projects/new" not in page.url:
        page.goto("/projects/new")
    page.get_by_role("button", name="Check how images become inputs").click()
    predictions = page.locator("#predictions")
    expect(predictions.locator("img").first).to_be_visible(timeout=INSPECTION_MS)
    expect(page).to_have_url(re.compile("preflight="))
    found = api(page, f"preflights/{run_of(page)}")["result"]
    matches = sum(prediction["correct"] for prediction in found["predictions"])
    expect(page.get_by_text(f"Yes: {matches} of {found['samples']} predictions match their labels.")).to_be_visible()
    expect(predictions).to_contain_text(f"Label: {found['predictions'][0]['label_name']}")
    assert found["candidates"][found["chosen"]]["preprocessing"]["divide_by"] == [255.0, 255.0, 255.0]
    picture(visitor, page.url, "05-new-project")

    page.select_option("#range", label="0 to 255")
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("Checked with the values below.")).to_be_visible(timeout=INSPECTION_MS)
    worse = api(page, f"preflights/{run_of(page)}")["result"]
    assert sum(prediction["correct"] for prediction in worse["predictions"]) < matches
    page.get_by_role("link", name="Back to found values").click()
    expect(page.locator("#divide_by")).to_have_value("255, 255, 255")


def baseline(visitor: Visitor, page: Page) -> str:
    """Step 4: it starts by itself."""
    page.locator("#name").fill("Fashion")
    page.get_by_role("button", name="Create and measure the baseline").click()
    expect(page.get_by_text("The baseline is measured.")).to_be_visible(timeout=RUN_MS)
    project_id = page.url.rpartition("/")[2]
    (original,) = api(page, f"projects/{project_id}")["variants"]
    text = page.locator("main").inner_text()
    evaluation = original["evaluation"]
    assert f"{evaluation['top1_correct']} of {evaluation['n']:,}" in text
    cells = original["grid"]["cells"]
    assert len({(cell["setting"]["streams"], cell["setting"]["batch"]) for cell in cells}) >= 4
    page.get_by_text("Every setting as a table").click()
    for cell in cells:
        latency = cell["latency_ms"]
        assert latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
        expect(page.get_by_role("cell", name=fps(cell["throughput_fps"]), exact=True).first).to_be_visible()
    picture(visitor, page.url, "06-baseline")
    return project_id


def optimize(visitor: Visitor, page: Page, project_id: str, method: str) -> None:
    """Step 5, to the end of the run, watching it live."""
    page.goto(f"/projects/{project_id}")
    page.get_by_role("link", name=re.compile("^Optimize")).first.click()
    page.get_by_role("radio", name=re.compile(f"^{method} ")).check()
    if method == "AccuracyAware":
        page.locator("#max_drop").fill("0.3")
        expect(page.locator("#max_drop-hint")).to_contain_text("3 images of 1,000")
        picture(visitor, f"/projects/{project_id}/optimize?max_drop=0.3", "08-optimize")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator(".log")).to_be_visible(timeout=RUN_MS)
    if method == "AccuracyAware":
        picture(visitor, page.url, "09-run")
    chip = page.locator("#live .chip").first
    expect(chip).to_contain_text("Finished", timeout=RUN_MS)
    run = api(page, f"runs/{page.url.rpartition('/')[2]}")
    assert run["state"] == "succeeded"
    expect(page.locator(".meaning")).to_have_text(run["sentence"])
    if method == "AccuracyAware":
        assert len(run["trials"]) == page.locator("table", has_text="In FP32").locator("tbody tr").count()
        picture(visitor, page.url, "10-outcome")
        picture(visitor, f"/projects/{project_id}/runs", "11-runs")


def check_overview(visitor: Visitor, page: Page, project_id: str) -> None:
    """Every number of the table is the API's."""
    page.goto(f"/projects/{project_id}")
    project = api(page, f"projects/{project_id}")
    assert [variant["method"] for variant in project["variants"]] == ["fp32", "int8-accuracy-aware", "int8-default"]
    expect(page.locator(".meaning")).to_have_text(project["sentence"])
    for variant in project["variants"]:
        row = page.locator(f"#variant-{variant['id']}")
        for shown in numbers_of(variant):
            expect(row).to_contain_text(shown)
    expect(page.locator("#pareto-card svg.main-svg").first).to_be_visible()
    page.locator("#max_drop").fill("50")
    expect(page.locator("#variants")).not_to_contain_text("Missed")
    expect(page.locator("#variants")).to_contain_text("Kept, certified")
    page.locator("#max_drop").fill("1.0")
    expect(page.locator("#pareto-card")).to_contain_text("FP32 − 1 point")
    picture(visitor, page.url, "07-overview")


def check_comparison(visitor: Visitor, page: Page, project_id: str) -> None:
    """Step 6."""
    page.get_by_role("button", name="Compare selected").click()
    comparison = api(page, f"projects/{project_id}/comparison")
    expect(page.locator(".meaning")).to_have_text(comparison["sentence"])
    table = page.get_by_role("region", name="Verdicts")
    for row in comparison["rows"]:
        line = table.locator("tr", has_text=row["measure"]).first
        for cell in row["cells"]:
            expect(line).to_contain_text(cell["word"])
            expect(line).to_contain_text(cell["value"])
    for chart in ("throughput", "latency", "accuracy", "size"):
        expect(page.locator(f"#{chart}-card svg.main-svg").first).to_be_visible()
    picture(visitor, f"/projects/{project_id}/compare", "12-compare")


def check_downloads(page: Page, project_id: str, folder: Path) -> None:
    """Step 7: the file, and the package around it."""
    page.goto(f"/projects/{project_id}")
    best = next(v for v in api(page, f"projects/{project_id}")["variants"] if v["method"] == "int8-accuracy-aware")
    row = page.locator(f"#variant-{best['id']}")
    model = saved(page, row.get_by_role("link", name=f"Download {best['name']}"), folder / "model.onnx")
    assert len(model) == best["size_bytes"]
    package = saved(page, row.get_by_role("link", name="package"), folder / "package.zip")
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        inside = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert hashlib.sha256(inside["model.onnx"]).digest() == hashlib.sha256(model).digest()
    assert json.loads(inside["recipe.json"])["kept_in_float"] == best["recipe"]["kept_in_float"]
    assert "preprocessing.json" in inside
    report = saved(page, row.get_by_role("link", name="report"), folder / "report.html").decode()
    assert f"{best['paired']['speedup']['value']:.2f}×" in report
    assert_runs(folder / "model.onnx")


def assert_runs(model: Path) -> None:
    """The delivered file is a network that plain onnxruntime runs."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 28, 28), np.float32)})
    assert scores.shape == (1, 10)
    assert np.isfinite(scores).all()


def numbers_of(variant: dict[str, Any]) -> Iterator[str]:
    """As the table prints them."""
    paired, evaluation = variant["paired"], variant["evaluation"]
    yield fps(paired["throughput_fps"]["value"])
    yield f"{100 * evaluation['top1']['value']:.1f} %"
    yield f"{variant['size_bytes'] / 1e6:.1f} MB"
    if variant["method"] != "fp32":
        yield f"{paired['speedup']['value']:.2f}×"
        lost = evaluation["top1_drop"]["points"]["value"]
        yield f"{abs(lost):.1f} ±"


def fps(value: float) -> str:
    """Three digits."""
    return f"{float(f'{value:.3g}'):,.{max(0, 2 - (len(str(int(value))) - 1))}f}"


def saved(page: Page, link: Locator, path: Path) -> bytes:
    with page.expect_download() as started:
        link.click()
    started.value.save_as(path)
    return path.read_bytes()


def run_of(page: Page) -> str:
    found = re.search(r"preflight=([0-9a-f-]+)", page.url)
    assert found
    return found[1]


def api(page: Page, path: str) -> Any:
    answer = page.request.get(f"/api/v1/{path}")
    assert answer.ok, answer.text()
    return answer.json()
