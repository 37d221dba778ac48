"""What the views of projects and runs need of the database: a fixed number of queries, however many rows there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.jobs.queue import OPEN_STATES
from app.services import lookup
from app.storage.tables import Comparison, Measurement, Project, Run, StageEvent, Trial, Variant, Worker

MAX_LOG_LINES = 200
TIMED_RUNS = 12
"""Per project: enough for every kind of run to be among them, and old machines and settings tell nothing any more."""


@dataclass(frozen=True)
class RunRows:
    run: Run
    events: list[StageEvent]
    """In order: of each stage the first and the last event of each kind."""
    log: list[StageEvent]
    """The newest lines, in order; empty when not asked for."""
    trials: list[Trial]
    worker: str
    variant_id: str


@dataclass
class ProjectRows:
    project: Project
    model_projects: int = 0
    model_run_id: str = ""
    dataset_projects: int = 0
    dataset_run_id: str = ""
    variants: list[Variant] = field(default_factory=list)
    """The original first, then newest first."""
    measurements: dict[tuple[str, str], Measurement] = field(default_factory=dict)
    """The newest by (variant id, kind)."""
    comparisons: list[Comparison] = field(default_factory=list)
    """Newest first."""
    runs: int = 0
    baseline: Run | None = None
    """The newest one."""
    active: RunRows | None = None
    latest_trials: list[Trial] = field(default_factory=list)
    """Of the newest AccuracyAware run."""
    worker: Worker | None = None
    """That measured last, or one that is up."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """How long finished stages of this project took, by label, newest first."""
    results: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    """Of the runs that made its variants, by run id."""


def load_projects(session: Session, projects: Sequence[Project]) -> dict[str, ProjectRows]:
    """Everything the views of these projects show, by project id."""
    found = {project.id: ProjectRows(project) for project in projects}
    ids = list(found)
    _load_assets(session, projects, found)
    _load_variants(session, ids, found)
    _load_runs(session, ids, found)
    _load_workers(session, found)
    return found


def _load_assets(session: Session, projects: Sequence[Project], found: dict[str, ProjectRows]) -> None:
    models, datasets = {p.model_id for p in projects}, {p.dataset_id for p in projects}
    of_model = lookup.count_projects(session, "model", list(models))
    of_dataset = lookup.count_projects(session, "dataset", list(datasets))
    inspections = lookup.inspection_runs(session, [*models, *datasets])
    for project in projects:
        rows = found[project.id]
        rows.model_projects, rows.dataset_projects = of_model[project.model_id], of_dataset[project.dataset_id]
        rows.model_run_id = inspections.get(project.model_id, "")
        rows.dataset_run_id = inspections.get(project.dataset_id, "")


def _load_variants(session: Session, ids: Sequence[str], found: dict[str, ProjectRows]) -> None:
    project_of = {}
    for variant in session.scalars(select(Variant).where(Variant.project_id.in_(ids)).order_by(Variant.id.desc())):
        rows = found[variant.project_id]
        rows.variants.insert(0 if variant.method == "fp32" else len(rows.variants), variant)
        project_of[variant.id] = rows
    makers = select(Run.id, Run.project_id, Run.result).where(
        Run.id.in_(select(Variant.run_id).where(Variant.project_id.in_(ids)))
    )
    for run_id, project_id, result in session.execute(makers):
        found[project_id or ""].results[run_id] = result
    newest = (
        select(func.max(Measurement.id))
        .join(Variant, Variant.id == Measurement.variant_id)
        .where(Variant.project_id.in_(ids))
        .group_by(Measurement.variant_id, Measurement.kind)
    )
    for measurement in session.scalars(select(Measurement).where(Measurement.id.in_(newest))):
        project_of[measurement.variant_id].measurements[measurement.variant_id, measurement.kind] = measurement
    for comparison in session.scalars(select(Comparison).where(Comparison.project_id.in_(ids)).order_by(Comparison.id.desc())):
        found[comparison.project_id].comparisons.append(comparison)


def _load_runs(session: Session, ids: Sequence[str], found: dict[str, ProjectRows]) -> None:
    counts = select(Run.project_id, func.count()).where(Run.project_id.in_(ids)).group_by(Run.project_id)
    for project_id, number in session.execute(counts):
        found[project_id or ""].runs = number
    open_runs = select(Run).where(Run.project_id.in_(ids), Run.state.in_(OPEN_STATES)).order_by(Run.id.desc())
    # The one that runs, else the one that is next.
    active: dict[str, Run] = {}
    for run in session.scalars(open_runs):
        known = active.get(run.project_id or "")
        if known is None or known.state != "running":
            active[run.project_id or ""] = run
    for rows in load_runs(session, list(active.values())).values():
        found[rows.run.project_id or ""].active = rows
    newest_baseline = select(func.max(Run.id)).where(Run.project_id.in_(ids), Run.kind == "baseline").group_by(Run.project_id)
    for run in session.scalars(select(Run).where(Run.id.in_(newest_baseline))):
        found[run.project_id or ""].baseline = run
    _load_latest_trials(session, ids, found)
    _load_seconds(session, ids, found)


def _load_latest_trials(session: Session, ids: Sequence[str], found: dict[str, ProjectRows]) -> None:
    with_trials = (
        select(Run.project_id, func.max(Run.id))
        .where(Run.project_id.in_(ids), Run.id.in_(select(Trial.run_id)))
        .group_by(Run.project_id)
    )
    newest = {row[1]: row[0] or "" for row in session.execute(with_trials)}
    if not newest:
        return
    for trial in session.scalars(select(Trial).where(Trial.run_id.in_(list(newest))).order_by(Trial.number)):
        found[newest[trial.run_id]].latest_trials.append(trial)


def _load_seconds(session: Session, ids: Sequence[str], found: dict[str, ProjectRows]) -> None:
    """From the first start to the last end of each stage in the newest succeeded runs.

    A stage that ended with a message was a look-up.
    """
    place = func.row_number().over(partition_by=Run.project_id, order_by=Run.id.desc())
    succeeded = select(Run.id, place.label("place")).where(Run.project_id.in_(ids), Run.state == "succeeded").subquery()
    spans = (
        select(
            Run.project_id,
            StageEvent.stage,
            func.min(StageEvent.at),
            func.max(StageEvent.at),
        )
        .join(Run, Run.id == StageEvent.run_id)
        .join(succeeded, succeeded.c.id == Run.id)
        .where(succeeded.c.place <= TIMED_RUNS, StageEvent.kind.in_(("started", "finished")))
        .group_by(Run.project_id, Run.id, StageEvent.stage)
        .having(func.max(StageEvent.message) == "")
        .order_by(Run.id.desc())
    )
    for project_id, stage, first, last in session.execute(spans):
        found[project_id or ""].seconds.setdefault(stage, []).append((last - first).total_seconds())


def _load_workers(session: Session, found: dict[str, ProjectRows]) -> None:
    # Each start of a worker leaves a row: only those that matter here are read.
    measuring = {m.worker_id for rows in found.values() for m in rows.measurements.values() if m.worker_id}
    wanted = select(Worker).where(or_(Worker.state == "up", Worker.id.in_(measuring)))
    workers = {worker.id: worker for worker in session.scalars(wanted)}
    up = [worker for worker in workers.values() if worker.state == "up"]
    any_up = max(up, key=lambda worker: worker.id, default=None)
    for rows in found.values():
        measured = [m for m in rows.measurements.values() if m.worker_id in workers]
        last = max(measured, key=lambda m: m.id, default=None)
        rows.worker = any_up if last is None else workers[last.worker_id or ""]


def load_runs(session: Session, runs: Sequence[Run], *, log: bool = False) -> dict[str, RunRows]:
    """Everything the views of these runs show, by run id; `log` for a single run's page."""
    if not runs:
        return {}
    ids = [run.id for run in runs]
    events: dict[str, list[StageEvent]] = defaultdict(list)
    ends = (
        select(func.min(StageEvent.id).label("first"), func.max(StageEvent.id).label("last"))
        .where(StageEvent.run_id.in_(ids))
        .group_by(StageEvent.run_id, StageEvent.stage, StageEvent.kind)
        .subquery()
    )
    chosen = select(ends.c.first).union(select(ends.c.last))
    for event in session.scalars(select(StageEvent).where(StageEvent.id.in_(chosen)).order_by(StageEvent.id)):
        events[event.run_id].append(event)
    trials: dict[str, list[Trial]] = defaultdict(list)
    for trial in session.scalars(select(Trial).where(Trial.run_id.in_(ids)).order_by(Trial.run_id, Trial.number)):
        trials[trial.run_id].append(trial)
    made = {
        run_id: variant
        for variant, run_id in session.execute(select(Variant.id, Variant.run_id).where(Variant.run_id.in_(ids)))
    }
    worker_ids = {run.worker_id for run in runs if run.worker_id}
    named = session.execute(select(Worker.id, Worker.name).where(Worker.id.in_(worker_ids)))
    names: dict[str, str] = {row.id: row.name for row in named}
    lines: dict[str, list[StageEvent]] = {run.id: _log_of(session, run.id) for run in runs} if log else {}
    return {
        run.id: RunRows(
            run=run,
            events=events[run.id],
            log=lines.get(run.id, []),
            trials=trials[run.id],
            worker=names.get(run.worker_id or "", ""),
            variant_id=made.get(run.id, ""),
        )
        for run in runs
    }


def _log_of(session: Session, run_id: str) -> list[StageEvent]:
    newest = (
        select(StageEvent)
        .where(StageEvent.run_id == run_id, StageEvent.message != "")
        .order_by(StageEvent.id.desc())
        .limit(MAX_LOG_LINES)
    )
    return list(reversed(session.scalars(newest).all()))
