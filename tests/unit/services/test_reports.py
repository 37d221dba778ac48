"""The report: one file that needs nothing else, says what the pages say, and survives hostile names."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from app.services import comparisons, projects
from app.services.context import Workbench
from app.services.reports import project_report
from tests.support import factories
from tests.support.rows import store_project

VOID = {"meta", "rect", "path", "br", "link", "img"}


class Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


def test_it_loads_nothing_and_runs_nothing(wb: Workbench) -> None:
    html = project_report(wb, store_project(wb).id)
    page = parse(html)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "style"))
    assert not re.search(r"url\(|@import|https?:", html)
    assert "prefers-color-scheme: dark" in html


def test_it_says_what_the_pages_say(wb: Workbench) -> None:
    project = store_project(wb)
    view = comparisons.compare(wb, project.id)
    text = parse(project_report(wb, project.id)).text
    for said in (view.sentence, view.detail, "Against FP32, 95 % sure", "missed by 0.8", "1.80× ± 0.03", "−1.8 ± 1.8 points"):
        assert said in text
    for row in view.rows:
        for cell in row.cells:
            assert cell.value in text
    assert "12 interleaved rounds, 4 × 1 threads, batch 1" in text
    assert "onnxruntime 1.32.0 on Intel Xeon, 4 cores" in text


def test_it_says_what_was_done(wb: Workbench) -> None:
    told = factories.a_default(recipe=factories.a_told_recipe(), seconds={"Calibrate": 12.0})
    html = project_report(wb, store_project(wb, [factories.a_variant(), told]).id)
    text = parse(html).text
    for said in (
        "What was done: INT8 Default", "98.2 %", "AveragePool as depthwise Conv", "slower in INT8 here", "41 µs against 35 µs",
        "another range", "61.0 %", "14 more groups make 6.3 % together.", "29.3 dB", "Calibrate: 12 s",
    ):  # fmt: skip
        assert said in text
    assert '<rect width="100.0" height="8"/>' in html


def test_an_old_recipe_is_reported_too(wb: Workbench) -> None:
    text = parse(project_report(wb, store_project(wb).id)).text
    assert "2 of 50 nodes stayed in float." in text
    assert "Where the noise comes from" not in text


def test_names_are_text(wb: Workbench) -> None:
    project = store_project(wb, name=factories.HOSTILE)
    page = parse(project_report(wb, project.id))
    assert factories.HOSTILE in page.text
    assert not any(tag == "img" for tag, _ in page.tags)


def test_the_same_measurements_give_the_same_bytes(wb: Workbench) -> None:
    project = store_project(wb)
    assert project_report(wb, project.id) == project_report(wb, project.id)


def test_chosen_variants_stand_beside_the_original(wb: Workbench) -> None:
    project = store_project(wb)
    text = parse(project_report(wb, project.id, [project.variant_ids[2]])).text
    assert "INT8 Default" in text
    assert "INT8 AccuracyAware" not in text


def test_a_project_before_its_baseline_has_a_report_too(wb: Workbench) -> None:
    project = store_project(wb, (factories.a_variant(evaluation=None, grid=None, paired=None),))
    page = parse(project_report(wb, project.id))
    assert projects.get_project(wb, project.id).name in page.text
