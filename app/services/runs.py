"""Runs: start, follow, cancel. Planning is in `plans`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.errors import WorkbenchError
from app.services import lookup
from app.services.context import Workbench
from app.services.loading import ProjectRows, load_projects, load_runs
from app.services.mapping.projects import work_of
from app.services.mapping.runs import event_view, run_view, settings_of
from app.services.mapping.variants import variant_views
from app.services.plans import plan_optimize
from app.services.starting import start_run
from app.services.views import EventView, RunState, RunView, VariantView
from app.storage.tables import Project, Run, StageEvent, Variant, utc_now

__all__ = [
    "cancel_run", "count_runs", "events_after", "get_run", "list_runs", "plan_optimize", "position", "run_views",
    "start_baseline", "start_comparison", "start_optimize",
]  # fmt: skip

MAX_COMPARED = 8
"""More in one comparison would leave each too few rounds."""


def start_baseline(wb: Workbench, project_id: str) -> RunView:
    """Measure the original (again). Raises NotFoundError `project.not_found`."""
    with wb.database.write() as session:
        lookup.get_project_row(session, wb.user_id, project_id)
        run_id = start_run(wb, session, "baseline", project_id=project_id)
    return get_run(wb, run_id)


def start_optimize(wb: Workbench, project_id: str, settings: QuantizationSettings) -> RunView:
    """Quantize in the background.

    Raises:
        NotFoundError: `project.not_found`.
        WorkbenchError: `optimize.already_quantized`, saying what is possible; `settings.…`.
    """
    plan = plan_optimize(wb, project_id, settings)
    with wb.database.write() as session:
        lookup.get_project_row(session, wb.user_id, project_id)
        run_id = start_run(wb, session, "optimize", project_id=project_id, params={"settings": to_json(plan.settings)})
        # The plan's notices open the log: what was changed of what was asked for.
        session.add_all(
            StageEvent(run_id=run_id, stage="Plan", attempt=0, kind="log", message=f"{note.message} {note.hint}".strip())
            for note in plan.notices
        )
    return get_run(wb, run_id)


def start_comparison(wb: Workbench, project_id: str, variant_ids: Sequence[str]) -> RunView:
    """Measure these variants in turns with the original, which is always the reference.

    Raises:
        NotFoundError: `project.not_found`, `variant.not_found`.
        WorkbenchError: `comparison.too_few`, `comparison.too_many`.
    """
    with wb.database.write() as session:
        lookup.get_project_row(session, wb.user_id, project_id)
        of_project = session.scalars(select(Variant).where(Variant.project_id == project_id)).all()
        known = {variant.id: variant for variant in of_project}
        for variant_id in variant_ids:
            if variant_id not in known:
                raise lookup.not_in_project(variant_id)
        original = next(variant.id for variant in of_project if variant.method == "fp32")
        wanted = list(dict.fromkeys([original, *variant_ids]))
        _check_compared(wanted)
        run_id = start_run(wb, session, "compare", project_id=project_id, params={"variant_ids": wanted})
    return get_run(wb, run_id)


def _check_compared(wanted: Sequence[str]) -> None:
    if len(wanted) < 2:
        message = "A comparison needs the original and at least one more variant, but only the original was chosen."
        raise WorkbenchError("comparison.too_few", message, where="variant_ids", hint="Make an INT8 variant first.")
    if len(wanted) > MAX_COMPARED:
        message = f"At most {MAX_COMPARED} variants are measured together, but {len(wanted)} were chosen."
        raise WorkbenchError("comparison.too_many", message, where="variant_ids", hint="Choose fewer.")


def cancel_run(wb: Workbench, run_id: str) -> RunView:
    """Stop it; a finished run stays as it is. Raises NotFoundError `run.not_found`."""
    with wb.database.read() as session:
        lookup.get_run_row(session, wb.user_id, run_id)
    wb.queue.cancel(run_id)
    return get_run(wb, run_id)


def get_run(wb: Workbench, run_id: str) -> RunView:
    """With its log. Raises NotFoundError `run.not_found`."""
    with wb.database.read() as session:
        row = lookup.get_run_row(session, wb.user_id, run_id)
        return run_views(wb, session, [row], log=True)[0]


def list_runs(
    wb: Workbench, project_id: str | None = None, *, limit: int | None = None, offset: int = 0
) -> tuple[RunView, ...]:
    """Newest first, without logs; of one project, or all of the user: all, or `limit` of them from `offset` on."""
    wanted = select(Run).where(Run.owner_id == wb.user_id).order_by(Run.id.desc()).limit(limit).offset(offset)
    with wb.database.read() as session:
        if project_id is not None:
            lookup.get_project_row(session, wb.user_id, project_id)
            wanted = wanted.where(Run.project_id == project_id)
        return run_views(wb, session, session.scalars(wanted).all())


def count_runs(wb: Workbench, project_id: str) -> dict[RunState, int]:
    """How many runs of a project there are by state; states without any are left out."""
    counts = select(Run.state, func.count()).where(Run.project_id == project_id, Run.owner_id == wb.user_id).group_by(Run.state)
    with wb.database.read() as session:
        return {cast("RunState", row[0]): row[1] for row in session.execute(counts)}


def position(wb: Workbench, run_id: str) -> tuple[int, RunState]:
    """(last event id, state): changes exactly when there is something new to show. Cheap, for SSE."""
    last = select(func.max(StageEvent.id)).where(StageEvent.run_id == run_id).scalar_subquery()
    with wb.database.read() as session:
        row = session.execute(select(Run.state, last).where(Run.id == run_id, Run.owner_id == wb.user_id)).one_or_none()
    if row is None:
        raise lookup.not_found("run", run_id)
    return row[1] or 0, cast("RunState", row[0])


def events_after(wb: Workbench, run_id: str, event_id: int, limit: int = 500) -> tuple[EventView, ...]:
    """The events of a run after this one, in order. Raises NotFoundError `run.not_found`."""
    later = select(StageEvent).where(StageEvent.run_id == run_id, StageEvent.id > event_id).order_by(StageEvent.id).limit(limit)
    with wb.database.read() as session:
        lookup.get_run_row(session, wb.user_id, run_id)
        return tuple(event_view(event) for event in session.scalars(later))


def run_views(wb: Workbench, session: Session, runs: Sequence[Run], *, log: bool = False) -> tuple[RunView, ...]:
    """Views of these runs in their order, with a fixed number of queries."""
    project_ids = {run.project_id for run in runs if run.project_id}
    projects = session.scalars(select(Project).where(Project.id.in_(project_ids))).all()
    loaded: dict[str, ProjectRows] = load_projects(session, projects) if projects else {}
    variants: dict[str, tuple[VariantView, ...]] = {key: variant_views(rows) for key, rows in loaded.items()}
    rows, now = load_runs(session, runs, log=log), utc_now()
    views = []
    for run in runs:
        key = run.project_id or ""
        settings = settings_of(run.params)
        subset = settings.subset_size if settings else None
        work = work_of(loaded[key], variants[key], wb.settings, subset) if key in loaded else None
        views.append(run_view(rows[run.id], now, work=work, variants=variants.get(key, ())))
    return tuple(views)
