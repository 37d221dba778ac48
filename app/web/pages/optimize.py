"""The optimize page: the form with its mistakes, and the plan that follows every change."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.quantize.recipe import QuantizationSettings
from app.services.views import ErrorView, PlanView, ProjectView
from app.web.figures.pareto import accuracy_percent
from app.web.filters import duration, fps, plural, points_value, size
from app.web.forms.fields import Mistake, shown
from app.web.forms.optimize import SWITCHES, OptimizeForm
from app.web.pages.project import ProjectHead, is_labelled, judged_images, project_head

SLIDER_MAX = 5
"""Points on the slider; the number beside it takes up to 100."""
PRESETS = (("performance", "Performance"), ("mixed", "Mixed"))
DROP_TYPES = (("absolute", "Points of top-1 (absolute)"), ("relative", "Per cent of the FP32 top-1 (relative)"))
ESTIMATORS = {
    "auto": "Automatic, by the error of each tensor",
    "minmax": "Minimum and maximum",
    "averaged": "Averaged minimum and maximum",
    "median": "Median of the samples’ minima and maxima",
    "percentile": "Percentile 99.99",
    "mse": "Least squared error",
    "entropy": "Least divergence (KL)",
}
PRECISIONS = (
    ("int8", "INT8, weights and activations"),
    ("int8-dynamic", "INT8, activations while it runs"),
    ("float16", "FP16"),
)
EFFORTS = (("default", "Default"), ("fast", "Fast"))
GRANULARITIES = (("per-channel", "Per channel"), ("per-tensor", "Per tensor"))
WEIGHT_BITS = (("8", "8"), ("7", "7"))
ACTIVATIONS = (("auto", "Automatic, by tensor"), ("symmetric", "Symmetric"), ("asymmetric", "Asymmetric"))
SWITCH_TEXTS = (
    ("rounding", "Round weights with the second moments of their input"),
    ("bias_correction", "Correct biases"),
    ("alignment", "Align channels of neighbouring layers where that is exact"),
    ("speed_aware", "Leave in float what is slower in INT8 on this CPU"),
)
MORE = (
    "seed", "precision", "effort", "weight_granularity", "weight_bits", "activations", "range_estimator", "keep_float",
    *SWITCHES,
)  # fmt: skip
"""Fields under More settings, which opens by itself when one of them is not usual."""


@dataclass(frozen=True)
class PlannedStep:
    label: str
    time: str


@dataclass(frozen=True)
class PlanBox:
    """What will happen."""

    steps: tuple[PlannedStep, ...]
    time: str
    time_unit: str
    size: str
    size_unit: str
    from_size: str
    notices: tuple[tuple[str, str], ...]
    """Message, hint."""


@dataclass(frozen=True)
class OptimizePage:
    head: ProjectHead
    project: ProjectView
    form: OptimizeForm
    errors: dict[str, str]
    """Field -> message."""
    codes: dict[str, str]
    """Field -> code of its mistake."""
    more_open: bool
    choices: dict[str, tuple[tuple[str, str], ...]]
    """Field -> (value, text) of each."""
    switches: tuple[tuple[str, str], ...]
    pot: str
    """The text of a POT file, as it was pasted."""
    pot_notes: tuple[str, ...] | None
    """What a POT file that was read asked for in vain; None: none was read."""
    mistakes: tuple[Mistake, ...]
    error_links: tuple[tuple[str, str], ...]
    """Field, label."""
    not_started: str
    """Title of the error summary; empty before the form was sent."""
    refused: ErrorView | None
    """Why no INT8 can be made of this model, said by the service."""
    plan: PlanBox | None
    baseline: str
    drop_hint: str
    images: int
    certifiable: float
    """0: nothing to hatch."""
    slider_max: int
    labelled: bool


def optimize_page(
    project: ProjectView,
    form: OptimizeForm,
    settings: QuantizationSettings,
    mistakes: tuple[Mistake, ...],
    plan: PlanView | None,
    *,
    sent: bool = False,
    refused: ErrorView | None = None,
    pot: str = "",
) -> OptimizePage:
    """
    Args:
        sent: The form was sent, and nothing was started.
        pot: Text of a POT file that could not be read.
    """
    count = len(mistakes)
    errors = {mistake.field: mistake.message for mistake in mistakes}
    usual = OptimizeForm()
    changed = any(name in errors or getattr(form, name) != getattr(usual, name) for name in MORE)
    return OptimizePage(
        head=project_head(project, "Optimize"),
        project=project,
        form=form,
        errors=errors,
        codes={mistake.field: mistake.code for mistake in mistakes},
        more_open=changed or "pot" in errors,
        choices=choices(form),
        switches=SWITCH_TEXTS,
        pot=pot,
        pot_notes=None,
        mistakes=mistakes,
        error_links=tuple((mistake.field, mistake.label) for mistake in mistakes),
        not_started=f"Not started: {plural(count, 'value needs', 'values need')} a change." if sent and count else "",
        refused=refused,
        plan=None if plan is None else plan_box(plan),
        baseline=baseline_line(project),
        drop_hint="" if mistakes else drop_hint(project, settings),
        images=project.dataset.description.images if project.dataset.description else 0,
        certifiable=project.dataset.certifiable_points or 0.0,
        slider_max=SLIDER_MAX,
        labelled=is_labelled(project),
    )


def choices(form: OptimizeForm) -> dict[str, tuple[tuple[str, str], ...]]:
    """A percentile with a number of its own, as a POT file may ask for, becomes an entry of the list."""
    estimators = {**ESTIMATORS}
    if form.range_estimator.startswith("percentile:"):
        estimators[form.range_estimator] = f"Percentile {shown(form.range_estimator.partition(':')[2])}"
    return {
        "preset": PRESETS,
        "drop_type": DROP_TYPES,
        "precision": PRECISIONS,
        "effort": EFFORTS,
        "weight_granularity": GRANULARITIES,
        "weight_bits": WEIGHT_BITS,
        "activations": ACTIVATIONS,
        "range_estimator": tuple(estimators.items()),
    }


def plan_box(plan: PlanView) -> PlanBox:
    low, high, unit = _range_of_time(plan.seconds)
    smallest, largest = plan.size_bytes
    first, last, size_unit = _range_of_size(smallest, largest)
    return PlanBox(
        steps=tuple(PlannedStep(step.label, _about(step.seconds)) for step in plan.steps),
        time=low if low == high else f"{low} to {high}",
        time_unit=unit,
        size=first if first == last else f"{first} to {last}",
        size_unit=size_unit,
        from_size=size(plan.original_bytes),
        notices=tuple((notice.message, notice.hint) for notice in plan.notices),
    )


def baseline_line(project: ProjectView) -> str:
    """FP32 baseline: 318 FPS, top-1 86.2 % on 500 images, 14.0 MB."""
    original = project.original
    if original.evaluation is None or original.grid is None:
        return "The baseline is not measured yet; the run measures what it needs."
    evaluation = original.evaluation
    name = "top-1" if evaluation.has_labels else "agreement"
    accuracy = f"{name} {accuracy_percent(evaluation):.1f} % on {plural(evaluation.n, 'image')}"
    return f"FP32 baseline: {fps(original.grid.best.throughput_fps)} FPS, {accuracy}, {size(original.size_bytes)}."


def drop_hint(project: ProjectView, settings: QuantizationSettings) -> str:
    """What the tolerated drop means in points, per cent and images."""
    evaluation, n = project.original.evaluation, judged_images(project)
    drop = settings.max_drop
    pot = f"In POT: maximal_drop {drop / 100:g}, drop_type {settings.drop_type}."
    if evaluation is None:
        return f"{drop:g} % means at most {drop:g} points of top-1. {pot}"
    reference = accuracy_percent(evaluation)
    points = drop if settings.drop_type == "absolute" else reference * drop / 100
    what = "top-1" if evaluation.has_labels else "agreement with FP32"
    lowest, images = reference - points, int(points * n / 100)
    return (
        f"{drop:g} % means: at most {points_value(points)} points of {what}, from {reference:.1f} % down to {lowest:.1f} % "
        f"({plural(images, 'image')} of {n:,}, lost less gained). Small limits leave little to speed up. {pot}"
    )


def _about(seconds: tuple[float, float]) -> str:
    low, high, unit = _range_of_time(seconds)
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _range_of_time(seconds: tuple[float, float]) -> tuple[str, str, str]:
    low, high = seconds
    if high < 1:
        return "under 1", "under 1", "s"
    if high < 90:
        return str(max(1, round(low))), str(max(1, round(high))), "s"
    if high < 2 * 3600:
        return str(max(1, round(low / 60))), str(max(1, round(high / 60))), "min"
    return duration(low), duration(high), ""


def _range_of_size(low: int, high: int) -> tuple[str, str, str]:
    scale, unit, decimals = (1e9, "GB", 2) if high >= 1e9 else (1e6, "MB", 1) if high >= 1e6 else (1e3, "kB", 0)
    return f"{low / scale:.{decimals}f}", f"{high / scale:.{decimals}f}", unit
