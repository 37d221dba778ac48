"""Variants side by side: words and tones against any reference."""

from __future__ import annotations

import pytest

from app.errors import NotFoundError
from app.services import comparisons
from app.services.context import Workbench
from app.services.views import ComparisonView
from tests.support import factories
from tests.support.rows import store_project


def cells(view: ComparisonView, column: int = 0) -> dict[str, tuple[str, str, str]]:
    return {row.measure: (row.cells[column].tone, row.cells[column].word, row.cells[column].value) for row in view.rows}


def test_against_the_original(wb: Workbench) -> None:
    project = store_project(wb)
    original, aware, default = project.variant_ids
    view = comparisons.compare(wb, project.id, [default])
    assert [variant.id for variant in view.variants] == [original, default]
    assert cells(view) == {
        "Throughput": ("good", "faster", "2.00× ± 0.03"),
        "Latency, median": ("good", "faster", "0.50× ± 0.01"),
        "Latency, 99 %": ("none", "7.6 ms", "0.50×"),
        "Top-1": ("bad", "less accurate", "−1.8 ± 1.8 points"),
        "Top-5": ("bad", "less accurate", "−1.8 ± 1.8 points"),
        "Size": ("good", "smaller", "0.27×"),
    }
    assert view.sentence == "INT8 Default is 2.0× faster; it loses 1.8 ± 1.8 points of top-1 on 500 images."
    assert view.measured_together
    assert view.measured_at is not None
    assert len(comparisons.compare(wb, project.id).variants) == 3
    assert aware in [variant.id for variant in comparisons.compare(wb, project.id).variants]


def test_the_best_inside_the_limit_leads_the_sentence(wb: Workbench) -> None:
    same = factories.an_accuracy_aware(lost=0, gained=0, correct=431)
    view = comparisons.compare(wb, store_project(wb, (factories.a_variant(), same, factories.a_default())).id)
    assert view.sentence == "INT8 AccuracyAware is as accurate as FP32 within ±0.8 points on 500 images, at 1.8× its speed."
    assert view.detail == "INT8 Default is 2.0× faster; it loses 1.8 ± 1.8 points of top-1 on 500 images."


def test_against_another_variant_accuracy_is_paired_image_by_image(wb: Workbench) -> None:
    project = store_project(wb, predictions=True)
    original, aware, default = project.variant_ids
    view = comparisons.compare(wb, project.id, [original, aware, default], against=default)
    assert view.reference.id == default
    assert [variant.id for variant in view.variants[1:]] == [original, aware]
    of_original, of_aware = cells(view, 0), cells(view, 1)
    # 12 lost and 3 gained against FP32, seen from the other side
    assert of_original["Top-1"] == ("good", "more accurate", "+1.8 ± 1.8 points")
    assert of_original["Throughput"] == ("bad", "slower", "0.50× ± 0.01")
    assert of_aware["Throughput"] == ("bad", "slower", "0.90× ± 0.02")
    assert of_aware["Size"] == ("bad", "larger", "1.13×")
    assert of_aware["Top-1"][1] == "more accurate"


def test_without_labels_answers_are_compared(wb: Workbench) -> None:
    variants = (factories.a_variant(labelled=False), factories.a_default(labelled=False, lost=7, gained=0))
    view = comparisons.compare(wb, store_project(wb, variants).id)
    assert cells(view)["Same answer as FP32"] == ("none", "98.6 %", "493 of 500")
    assert "Top-1" not in cells(view)
    assert "the same answer as FP32 on 493 of 500 images" in view.sentence


def test_fp32_with_the_same_rewrites_is_a_row(wb: Workbench) -> None:
    told = factories.a_default(twin=factories.a_paired(350.0, 1.1, name="fp32-rewritten"))
    project = store_project(wb, [factories.a_variant(), factories.an_accuracy_aware(), told])
    view = comparisons.compare(wb, project.id)
    row = next(row for row in view.rows if row.measure == "FP32, same rewrites")
    assert {cell.word: cell.value for cell in row.cells} == {"faster": "1.10× ± 0.03", "not measured": "–"}
    assert view.measured_together  # the twin is no variant and no part of the choice


def test_the_original_alone(wb: Workbench) -> None:
    view = comparisons.compare(wb, store_project(wb, (factories.a_variant(),)).id)
    assert view.rows == ()
    assert view.sentence == "Only FP32 is here."
    assert not view.measured_together


def test_unknown_variants_are_not_found(wb: Workbench) -> None:
    project, other = store_project(wb), store_project(wb)
    for ids, against in (((other.variant_ids[1],), ""), ((), other.variant_ids[0]), (("nope",), "")):
        with pytest.raises(NotFoundError):
            comparisons.compare(wb, project.id, ids, against)


def test_what_was_not_measured_is_said(wb: Workbench) -> None:
    bare = factories.a_default(evaluation=None, paired=None, grid=None)
    view = comparisons.compare(wb, store_project(wb, (factories.a_variant(), bare)).id)
    assert {word for _, word, _ in cells(view).values()} == {"not measured", "smaller"}
