"""Runs with their stages, trials and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from app.engine.accuracy_aware.search import Trial, choose
from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json
from app.services.estimates import Work, expect_all
from app.services.loading import RunRows
from app.services.mapping.assets import error_view
from app.services.mapping.parsed import parsed
from app.services.mapping.progress import percent, seconds_left, stage_views
from app.services.run_sentences import run_saying, run_title
from app.services.views import EventView, LogLine, RunKind, RunState, RunView, TrialView, VariantView
from app.storage.tables import StageEvent
from app.storage.tables import Trial as TrialRow


def run_view(rows: RunRows, now: datetime, *, work: Work | None = None, variants: Sequence[VariantView] = ()) -> RunView:
    """
    Args:
        work: How much there is to do in the run's project, to estimate the end.
        variants: Of the run's project, the original first.
    """
    run = rows.run
    kind, state = cast("RunKind", run.kind), cast("RunState", run.state)
    settings = settings_of(run.params)
    stages = stage_views(rows.events, state, now)
    expected = {} if work is None else expect_all([stage.label for stage in stages], work)
    trials = trial_views(rows.trials, over=run.finished_at is not None)
    error = error_view(run.error)
    variant = next((variant for variant in variants if variant.id == rows.variant_id), None)
    saying = run_saying(
        kind,
        state,
        settings=settings,
        stages=stages,
        trials=trials,
        error=error,
        variant=_against_own_limit(variant, run.result),
        original=variants[0] if variants else None,
    )
    return RunView(
        id=run.id,
        kind=kind,
        state=state,
        project_id=run.project_id or "",
        title=run_title(kind, settings),
        settings=settings,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        percent=percent(stages, expected, state),
        seconds_gone=seconds_gone(run.started_at, run.finished_at, now),
        seconds_left=seconds_left(stages, expected) if state == "running" else None,
        stages=stages,
        log=tuple(log_line(event) for event in rows.log),
        trials=trials,
        error=error,
        result=run.result,
        worker=rows.worker,
        sentence=saying.sentence,
        detail=saying.detail,
        variant_id=rows.variant_id,
        last_event_id=max((event.id for event in rows.events), default=0),
    )


def settings_of(params: Mapping[str, object]) -> QuantizationSettings | None:
    data = params.get("settings")
    return None if data is None else from_json(QuantizationSettings, data)


def trial_views(rows: Sequence[TrialRow], *, over: bool) -> tuple[TrialView, ...]:
    """In order of their numbers; which one was chosen is known when the run is over."""
    trials = [parsed(Trial, row.id, row.data) for row in rows]
    chosen = choose(trials).number if trials and over else None
    return tuple(TrialView(t.number, t.kept_in_float, t.evaluation, t.limit, t.size_bytes, t.number == chosen) for t in trials)


def seconds_gone(started: datetime | None, finished: datetime | None, now: datetime) -> float:
    return 0.0 if started is None else max(0.0, ((finished or now) - started).total_seconds())


def log_line(event: StageEvent) -> LogLine:
    return LogLine(event.id, event.at, event.stage, event.message)


def event_view(event: StageEvent) -> EventView:
    return EventView(
        event_id=event.id,
        kind=event.kind,  # type: ignore[arg-type]  # only the journal writes them
        stage=event.stage,
        done=event.done,
        total=event.total,
        message=event.message,
        at=event.at,
    )


def _against_own_limit(variant: VariantView | None, result: dict[str, Any] | None) -> VariantView | None:
    """What the run made, judged by the limit the run was given; the project's limit may have moved since."""
    limit = (result or {}).get("limit")
    if variant is None or limit is None:
        return variant
    return replace(variant, limit=from_json(LimitVerdict, limit))
