"""What an optimization will do, how long it will take and what should be known before it starts."""

from __future__ import annotations

from dataclasses import replace

from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription, Notice
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json
from app.errors import WorkbenchError
from app.jobs.labels import PREPARE, REFERENCE, optimize_labels
from app.services import lookup
from app.services.context import Workbench
from app.services.estimates import Range, Work, expect, total
from app.services.loading import load_projects
from app.services.mapping.assets import certifiable_points
from app.services.mapping.projects import work_of
from app.services.mapping.variants import variant_views
from app.services.views import PlanStep, PlanView
from app.services.wording import count, limit

SHARES = {"default": (0.25, 0.30), "accuracy-aware": (0.25, 0.60), "int8-dynamic": (0.25, 0.60), "float16": (0.50, 0.55)}
"""Of the weight bytes, by precision, for INT8 by method: a quarter or a half, and what stays in float."""
KNOWN_FROM_BASELINE = (PREPARE, REFERENCE)
LOOK_UP_S = (0.0, 1.0)


def plan_optimize(wb: Workbench, project_id: str, settings: QuantizationSettings) -> PlanView:
    """What would happen and how long it takes. Raises what `start_optimize` raises."""
    with wb.database.read() as session:
        row = lookup.get_project_row(session, wb.user_id, project_id)
        rows = load_projects(session, [row])[row.id]
        variants = variant_views(rows)
    model = from_json(ModelDescription, row.model.description)
    dataset = from_json(DatasetDescription, row.dataset.description)
    check_possible(model, row.model.name)
    clamped, notices = clamp_subset(settings, dataset.images)
    work = work_of(rows, variants, wb.settings, clamped.subset_size)
    measured = bool(variants) and variants[0].evaluation is not None
    steps = tuple(PlanStep(label, _seconds(label, work, measured=measured)) for label in optimize_labels(clamped))
    return PlanView(
        settings=clamped,
        steps=steps,
        seconds=total(step.seconds for step in steps),
        size_bytes=_size(model, clamped),
        original_bytes=model.size_bytes,
        notices=(*notices, *_certainty(clamped, dataset)),
    )


def check_possible(model: ModelDescription, name: str) -> None:
    """Raises WorkbenchError `optimize.already_quantized`, saying what is possible."""
    if model.precision == "int8":
        message = f"{name} is quantized already; a second time would only lose accuracy."
        hint = "Upload the FP32 original to make other INT8 variants. This one can be measured as it is."
        raise WorkbenchError("optimize.already_quantized", message, where=name, hint=hint)


def clamp_subset(settings: QuantizationSettings, images: int) -> tuple[QuantizationSettings, tuple[Notice, ...]]:
    """The settings with at most as many calibration samples as there are, and a notice when that changed them."""
    if settings.subset_size <= images:
        return settings, ()
    message = f"Calibration uses all {count(images)} samples of the dataset; {count(settings.subset_size)} were asked for."
    return replace(settings, subset_size=images), (Notice("settings.subset_clamped", message),)


def _seconds(label: str, work: Work, *, measured: bool) -> Range:
    return LOOK_UP_S if measured and label in KNOWN_FROM_BASELINE else expect(label, work)


def _size(model: ModelDescription, settings: QuantizationSettings) -> tuple[int, int]:
    graph = max(0, model.size_bytes - model.weight_bytes)
    kind = settings.method if settings.precision == "int8" else settings.precision
    low, high = (share * model.weight_bytes for share in SHARES[kind])
    return round(low + graph), round(high + 2 * graph)


def _certainty(settings: QuantizationSettings, dataset: DatasetDescription) -> tuple[Notice, ...]:
    if not dataset.labelled:
        message = "The dataset has no labels, so the limit is kept in agreement with FP32 instead of accuracy."
        return (Notice("plan.agreement", message, "Add labels to judge accuracy."),)
    smallest = certifiable_points(dataset.labelled)
    if settings.method == "accuracy-aware" and smallest is not None and settings.max_drop < smallest:
        few = f"{count(dataset.labelled)} images certify drops from about {smallest:.1f} points on"
        message = f"{few}, not {limit(settings.max_drop)}."
        hint = "The limit is still kept on these images; more of them would make it certain."
        return (Notice("plan.too_few_images", message, hint),)
    return ()
