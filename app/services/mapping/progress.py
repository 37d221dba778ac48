"""Stages, percent and time left of a run from its events. Pure.

A pipeline announces its stages (`planned`); a stage that begins without having been announced is a trial, part of the search.
The furthest announced stage that has begun is the current one; those before it are done, also when they were not needed.
Lines of something that never began (the notices of the plan) belong to the log alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.jobs.pipelines import SEARCH
from app.services.estimates import Range
from app.services.views import RunState, StageView
from app.storage.tables import StageEvent

ALMOST = 99
"""Percent that is shown at most before a run has succeeded."""
TRUSTED_FRACTION = 0.1
"""From here on the speed of the stage itself says more about its end than the estimate."""


@dataclass
class _Stage:
    label: str
    events: list[StageEvent] = field(default_factory=list)

    @property
    def folded(self) -> bool:
        """Made of several stages, so that the end of one is not its end."""
        return any(event.stage != self.label for event in self.events)

    def last(self, kind: str) -> StageEvent | None:
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    @property
    def begun_at(self) -> datetime | None:
        return next((event.at for event in self.events if event.kind == "started"), None)


def stage_views(events: Sequence[StageEvent], state: RunState, now: datetime) -> tuple[StageView, ...]:
    """
    Args:
        events: In order; of each stage at least its first and last of each kind.
        now: For the seconds of the current stage.
    """
    stages = _collect(events)
    furthest = max((index for index, stage in enumerate(stages) if stage.events), default=-1)
    return tuple(_view(stage, _state(index, furthest, stage, state), now) for index, stage in enumerate(stages))


def _collect(events: Sequence[StageEvent]) -> list[_Stage]:
    planned = dict.fromkeys(event.stage for event in events if event.kind == "planned")
    begun = {event.stage for event in events if event.kind == "started"}
    stages = {label: _Stage(label) for label in planned}
    for event in events:
        if event.kind == "planned" or event.stage not in begun:
            continue
        label = SEARCH if event.stage not in planned and SEARCH in planned else event.stage
        stages.setdefault(label, _Stage(label)).events.append(event)
    return list(stages.values())


def _state(index: int, furthest: int, stage: _Stage, run: RunState) -> Literal["todo", "now", "done", "failed"]:
    if run == "succeeded" or index < furthest:
        return "done"
    if index > furthest:
        return "todo"
    ended = stage.events[-1].kind == "finished" and not stage.folded
    if ended:
        return "done"
    return "failed" if run in ("failed", "cancelled") else "now"


def _view(stage: _Stage, state: Literal["todo", "now", "done", "failed"], now: datetime) -> StageView:
    begun, counted, finished = stage.begun_at, _counted(stage), stage.last("finished")
    if begun is None:
        return StageView(stage.label, state, 0, 0, "Not needed" if state == "done" else "", None)
    end = now if state == "now" or finished is None else finished.at
    done, total = (counted.done, counted.total) if counted else (0, 0)
    if state == "done" and not stage.folded:
        done = total
    return StageView(stage.label, state, done, total, _message(stage, counted, state), max(0.0, (end - begun).total_seconds()))


def _counted(stage: _Stage) -> StageEvent | None:
    """The last count of the attempt that runs."""
    for event in reversed(stage.events):
        if event.kind == "started":
            return None
        if event.total > 0:
            return event
    return None


def _message(stage: _Stage, counted: StageEvent | None, state: str) -> str:
    last = stage.events[-1]
    if state == "failed":
        return last.message
    if state == "done":
        return last.message if last.kind == "finished" else ""
    prefix = "" if last.stage == stage.label else f"{last.stage}: "
    if counted is not None:
        return f"{prefix}{counted.done:,} of {counted.total:,}"
    return f"{prefix}{last.message}".rstrip(": ")


def percent(stages: Sequence[StageView], expected: Mapping[str, Range], state: RunState) -> int:
    """0 to 100, weighted by how long stages are expected to take; 100 only when the run has succeeded."""
    if state == "succeeded":
        return 100
    weights = {stage.label: max(0.1, sum(expected.get(stage.label, (1.0, 1.0))) / 2) for stage in stages}
    done = sum(weights[stage.label] * _fraction(stage, weights[stage.label]) for stage in stages)
    return min(ALMOST, int(100 * done / sum(weights.values()))) if stages else 0


def _fraction(stage: StageView, weight: float) -> float:
    if stage.state == "done":
        return 1.0
    if stage.state == "todo":
        return 0.0
    if stage.total and stage.label != SEARCH:
        return min(1.0, stage.done / stage.total)
    return min(0.95, (stage.seconds or 0.0) / weight)


def seconds_left(stages: Sequence[StageView], expected: Mapping[str, Range]) -> Range | None:
    """Lower and upper estimate; None before anything runs or when a stage's length is not known."""
    open_stages = [stage for stage in stages if stage.state in ("todo", "now")]
    if not any(stage.state == "now" for stage in stages) or any(stage.label not in expected for stage in open_stages):
        return None
    ranges = [_left(stage, expected[stage.label]) for stage in open_stages]
    return (sum(low for low, _ in ranges), sum(high for _, high in ranges))


def _left(stage: StageView, expected: Range) -> Range:
    low, high = expected
    if stage.state == "todo" or stage.seconds is None:
        return expected
    fraction = min(1.0, stage.done / stage.total) if stage.total and stage.label != SEARCH else 0.0
    if fraction >= TRUSTED_FRACTION:
        rest = stage.seconds * (1 - fraction) / fraction
        return (0.8 * rest, 1.3 * rest)
    return (max(0.0, low - stage.seconds), max(1.0, high - stage.seconds))
