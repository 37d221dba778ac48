"""What a run means while it waits, works and when it is over (mock/GUIDE.md §4, 12 Outcomes). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.engine.quantize.recipe import QuantizationSettings
from app.services import wording
from app.services.sentences import Saying, accuracy_clause, baseline_sentence, not_faster, twin_clause, variant_sentence
from app.services.settings_words import kind_words, with_differences
from app.services.views import ErrorView, RunKind, RunState, StageView, TrialView, VariantView

DOING = {
    "inspect-model": "Looking into the model",
    "inspect-dataset": "Looking into the dataset",
    "preflight": "Trying the usual ways to prepare images",
    "baseline": "Measuring the baseline",
    "optimize": "Making the INT8 variant",
    "compare": "Measuring the variants in turns",
}
DONE = {
    "inspect-model": "The model was looked into.",
    "inspect-dataset": "The dataset was looked into.",
    "preflight": "The usual ways to prepare images were tried.",
    "baseline": "The baseline is measured.",
    "optimize": "The INT8 variant is made.",
    "compare": "The variants were measured in turns.",
}


def run_title(kind: RunKind, settings: QuantizationSettings | None) -> str:
    """`AccuracyAware, limit 1.0 point`, `INT8 Default · mixed`, `Baseline`, `Comparison`."""
    if kind == "optimize" and settings is not None:
        limit = f", limit {limit_of(settings)}" if settings.method == "accuracy-aware" else ""
        return with_differences(f"{kind_words(settings)}{limit}", settings)
    return {"baseline": "Baseline", "compare": "Comparison", "preflight": "Preflight"}.get(kind, "Inspection")


def limit_of(settings: QuantizationSettings) -> str:
    """`1.0 point`, or `1.0 % of the FP32 top-1`."""
    if settings.drop_type == "relative":
        return f"{settings.max_drop:.1f} % of the FP32 top-1"
    return wording.limit(settings.max_drop)


def run_saying(
    kind: RunKind,
    state: RunState,
    *,
    settings: QuantizationSettings | None,
    stages: Sequence[StageView],
    trials: Sequence[TrialView],
    error: ErrorView | None,
    variant: VariantView | None,
    original: VariantView | None,
) -> Saying:
    """
    Args:
        variant: What the run made.
        original: Of the run's project.
    """
    if state == "queued":
        return Saying("Waiting for a worker.", "It starts by itself, also when you close the page.")
    if state == "running":
        return _running(kind, stages, trials)
    if state == "failed":
        message = error.message if error else "It failed without a reason."
        return Saying(message, error.hint if error else "")
    if state == "cancelled":
        return _cancelled(trials)
    if kind == "baseline" and original is not None:
        return Saying(DONE[kind], baseline_sentence(original))
    if kind == "optimize" and variant is not None:
        return optimized_saying(variant, settings, original.name if original else "FP32")
    return Saying(DONE[kind])


def _running(kind: RunKind, stages: Sequence[StageView], trials: Sequence[TrialView]) -> Saying:
    now = next((stage for stage in stages if stage.state == "now"), None)
    doing = f"{DOING[kind]}." if now is None else f"{DOING[kind]}: {_lower_first(now.label)}."
    if not trials:
        return Saying(doing, now.message if now else "")
    best = best_trial(trials)
    if best.limit is None or best.limit.state == "missed":
        return Saying("No trial is inside your limit yet.", f"{_trial(best)} {doing}")
    certain = "inside your limit" if best.limit.state == "certified" else "inside your limit, but not for certain"
    return Saying(f"Best so far is {certain}: {_trial(best, lower=True)}", doing)


def _cancelled(trials: Sequence[TrialView]) -> Saying:
    if not trials:
        return Saying("You stopped it.", "What it had finished is kept: the next run goes on faster.")
    noun = "trial" if len(trials) == 1 else "trials"
    return Saying(f"You stopped after {len(trials)} {noun}.", _trial(best_trial(trials)))


def optimized_saying(variant: VariantView, settings: QuantizationSettings | None, reference: str) -> Saying:
    """What an optimization has made: the gain, and for AccuracyAware first whether the limit is kept."""
    detail = _parts(twin_clause(variant), not_faster(variant, reference) or kept_in_float(variant))
    if settings is None or settings.method != "accuracy-aware" or variant.limit is None:
        return Saying(variant_sentence(variant, reference), detail)
    if variant.limit.state == "missed":
        missed = f"The limit of {limit_of(settings)} was missed."
        return Saying(f"{missed} Best: {_lower_first(variant_sentence(variant, reference))}", detail)
    if variant.speed is not None and variant.speed != "faster":
        return Saying(f"INT8 inside your limit is not faster. {variant_sentence(variant, reference)}", detail)
    said = "certified" if variant.limit.state == "certified" else "but not for certain"
    n = wording.images(variant.evaluation.n) if variant.evaluation else ""
    speed = variant_sentence(variant, reference).split(";")[0].rstrip(".")
    sentence = f"{speed}; the limit of {limit_of(settings)} is kept, {said} on {n}."
    accuracy = accuracy_clause(variant, reference)
    return Saying(sentence, _parts(f"{accuracy[0].upper()}{accuracy[1:]}." if accuracy else "", detail))


def kept_in_float(variant: VariantView) -> str:
    """`5 of 53 nodes stayed in float.`; empty when nothing is known."""
    recipe = variant.recipe
    if recipe is None:
        return ""
    kept, total = len(recipe.kept_in_float), len(recipe.kept_in_float) + len(recipe.quantized_nodes)
    return f"{kept} of {total} nodes stayed in float." if kept else f"All {total} nodes that can be are in INT8."


def _parts(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def best_trial(trials: Sequence[TrialView]) -> TrialView:
    """Inside the limit with the fewest layers in float, else the one that missed by least."""

    def rank(trial: TrialView) -> tuple[float, int]:
        return (trial.limit.missed_by_points if trial.limit else 0.0, len(trial.kept_in_float))

    return min(trials, key=rank)


def _trial(trial: TrialView, *, lower: bool = False) -> str:
    layers = len(trial.kept_in_float)
    noun = "layer" if layers == 1 else "layers"
    drop = trial.evaluation.top1_drop
    lost = "" if drop is None else f", {wording.change(drop.points)} points on {wording.images(drop.n)}"
    return f"{'trial' if lower else 'Trial'} {trial.number}, {layers} {noun} in float{lost}."


def _lower_first(text: str) -> str:
    """For the middle of a sentence; `INT8 …` and `FP32 …` keep their capitals."""
    return text if text[:2].isupper() else f"{text[0].lower()}{text[1:]}"
