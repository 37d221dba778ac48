"""What a preflight found, as its page shows it: the answer, pictures with predictions, other ways tried, the input tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.web.filters import plural, shape

if TYPE_CHECKING:  # the stage brings the runtime, which the web process has no use for
    from app.engine.stages.preflight import Candidate, Result
    from app.engine.stages.preflight_predictions import PreflightPrediction, Received

SURE = 0.5
"""Share of matching labels from which the answer is yes."""
CHANCE_FACTOR = 3
"""Times chance below which the answer is no."""


@dataclass(frozen=True)
class Prediction:
    src: str
    label: str
    said: str
    ok: bool
    extra: str


@dataclass(frozen=True)
class Tried:
    description: str
    matches: str
    confidence: str
    chosen: bool


def answer(result: Result) -> str:
    if not result.labelled:
        confidence = result.candidates[result.chosen].mean_confidence
        return f"Without labels nobody can say; the model is {confidence:.0%} sure of its predictions.".replace("%", " %")
    matches, n = sum(p.correct is True for p in result.predictions), sum(p.correct is not None for p in result.predictions)
    if matches >= SURE * n:
        return f"Yes: {matches} of {n} predictions match their labels."
    if matches <= CHANCE_FACTOR * n / max(2, result.task.classes):
        return f"No: only {matches} of {n} predictions match their labels."
    return f"Perhaps: {matches} of {n} predictions match their labels."


def answer_detail(result: Result) -> str:
    ways = f"{plural(len(result.candidates), 'way')} to prepare an image were tried"
    return {
        "clear": f"{ways}; this one is clearly the best. Change any value and check again.",
        "close": f"{ways}; the best ones are close together. Look at the pictures, change what you know better.",
        "guess": f"{ways}; none stands out. If you know how the model was trained, set the values by hand.",
        "by-hand": "Checked with the values below.",
    }[result.decided]


def predictions_of(result: Result, run_id: str) -> tuple[Prediction, ...]:
    return tuple(_prediction(prediction, run_id) for prediction in result.predictions)


def _prediction(p: PreflightPrediction, run_id: str) -> Prediction:
    labelled = p.label is not None
    miss = p.correct is False
    return Prediction(
        src=f"/preflights/{run_id}/previews/{p.preview_file}",
        label=f"Label: {p.label_name}" if labelled else p.name,
        said=f"{p.predicted_name} {p.score:.2f}",
        ok=not miss,
        extra=f"{p.second_name} {p.second_score:.2f}, second" if miss else "",
    )


def ways_tried(result: Result) -> tuple[Tried, ...]:
    return tuple(_one_way(way, result.labelled, chosen=n == result.chosen) for n, way in enumerate(result.candidates))


def _one_way(candidate: Candidate, labelled: bool, *, chosen: bool) -> Tried:
    offset = f", labels + {candidate.label_offset}" if candidate.label_offset else ""
    matches = f"{candidate.matches} of {candidate.tried}" if labelled else f"seen on {candidate.tried}"
    return Tried(f"{candidate.description}{offset}", matches, f"{candidate.mean_confidence:.2f}", chosen)


def received_facts(received: Received) -> tuple[tuple[str, str], ...]:
    means = ", ".join(f"{value:.3g}" for value in received.mean_per_channel)
    return (
        ("Shape", f"{shape(received.shape)}, {received.dtype}"),
        ("Smallest, largest", f"{received.minimum:.4g}, {received.maximum:.4g}"),
        ("Mean per channel", means),
    )
