"""What an optimization will do: tolerances, subsets, what is impossible and why."""

from __future__ import annotations

import math

import pytest

from app.engine.quantize.recipe import QuantizationSettings
from app.errors import WorkbenchError
from app.jobs.pipelines import PREPARE, RANK, REFERENCE, SEARCH
from app.services import runs
from app.services.context import Workbench
from app.services.estimates import Work, expect
from tests.support import factories
from tests.support.rows import store_model, store_project


@pytest.mark.parametrize("max_drop", [-1.0, math.nan, math.inf, -math.inf, 1e308, 100.1])
def test_impossible_tolerances_are_refused(max_drop: float) -> None:
    with pytest.raises(WorkbenchError) as caught:
        QuantizationSettings(max_drop=max_drop)
    assert caught.value.code == "settings.max_drop"
    assert str(max_drop) in caught.value.message


@pytest.mark.parametrize("max_drop", [0.0, 1e-308, 0.2, 1.0, 100.0])
def test_possible_tolerances_are_planned(wb: Workbench, max_drop: float) -> None:
    project = store_project(wb)
    plan = runs.plan_optimize(wb, project.id, QuantizationSettings(method="accuracy-aware", max_drop=max_drop))
    assert plan.settings.max_drop == max_drop


def test_default_does_not_search(wb: Workbench) -> None:
    project = store_project(wb)
    default = runs.plan_optimize(wb, project.id, QuantizationSettings())
    aware = runs.plan_optimize(wb, project.id, QuantizationSettings(method="accuracy-aware"))
    added = [step.label for step in aware.steps if step.label not in {step.label for step in default.steps}]
    assert added == [RANK, SEARCH]
    assert aware.seconds[1] > default.seconds[1] > default.seconds[0] > 0
    assert default.seconds == (sum(s.seconds[0] for s in default.steps), sum(s.seconds[1] for s in default.steps))


def test_what_the_baseline_knows_is_not_done_again(wb: Workbench) -> None:
    measured = {step.label: step.seconds for step in runs.plan_optimize(wb, store_project(wb).id, QuantizationSettings()).steps}
    fresh = store_project(wb, (factories.a_variant(evaluation=None, grid=None, paired=None),))
    unknown = {step.label: step.seconds for step in runs.plan_optimize(wb, fresh.id, QuantizationSettings()).steps}
    for label in (PREPARE, REFERENCE):
        assert measured[label][1] <= 1
        assert unknown[label][1] > 1


def test_subset_is_clamped_and_said_so_in_plan_and_log(wb: Workbench) -> None:
    project = store_project(wb)
    settings = QuantizationSettings(subset_size=10**9)
    plan = runs.plan_optimize(wb, project.id, settings)
    assert plan.settings.subset_size == 500
    assert plan.notices[0].code == "settings.subset_clamped"
    run = runs.start_optimize(wb, project.id, settings)
    assert run.settings is not None
    assert run.settings.subset_size == 500
    assert [line.message for line in run.log] == [
        "Calibration uses all 500 samples of the dataset; 1,000,000,000 were asked for."
    ]
    assert run.stages == ()


def test_a_limit_that_cannot_be_certified_is_said(wb: Workbench) -> None:
    project = store_project(wb)
    codes = [
        [
            notice.code
            for notice in runs.plan_optimize(wb, project.id, QuantizationSettings(method="accuracy-aware", max_drop=d)).notices
        ]
        for d in (0.2, 1.0)
    ]
    assert codes == [["plan.too_few_images"], []]


def test_without_labels_the_limit_is_agreement(wb: Workbench) -> None:
    project = store_project(wb, (factories.a_variant(labelled=False),))
    plan = runs.plan_optimize(wb, project.id, QuantizationSettings(method="accuracy-aware"))
    assert [notice.code for notice in plan.notices] == ["plan.agreement"]


def test_what_cannot_be_quantized_is_told_what_is_possible(wb: Workbench) -> None:
    code, possible = "optimize.already_quantized", "Upload the FP32 original"
    model = store_model(wb, description=factories.a_model_description(precision="int8"))
    project = store_project(wb, (factories.a_variant(),), model_id=model)
    for attempt in (runs.plan_optimize, runs.start_optimize):
        with pytest.raises(WorkbenchError) as caught:
            attempt(wb, project.id, QuantizationSettings())
        assert caught.value.code == code
        assert possible in caught.value.hint
    assert all(run.kind != "optimize" for run in runs.list_runs(wb, project.id))


def test_size_estimate_holds_a_quarter_of_the_weights(wb: Workbench) -> None:
    plan = runs.plan_optimize(wb, store_project(wb).id, QuantizationSettings())
    low, high = plan.size_bytes
    assert 0.24 * plan.original_bytes < low < high < 0.33 * plan.original_bytes


def test_earlier_runs_are_the_best_guess() -> None:
    work = Work(500, 300, 300_000_000, 54, 300.0, 4, 2.0, 12.0, {PREPARE: [20.0, 99.0]})
    assert expect(PREPARE, work) == (16.0, 26.5)
    low, high = expect(REFERENCE, work)
    assert low < 500 / 300 + 0.8 < high


def test_the_size_follows_the_precision(wb: Workbench) -> None:
    project = store_project(wb)
    sizes = {
        precision: runs.plan_optimize(wb, project.id, QuantizationSettings(precision=precision)).size_bytes
        for precision in ("int8", "float16")
    }
    assert sizes["float16"][0] == pytest.approx(2 * sizes["int8"][0], rel=0.1)
