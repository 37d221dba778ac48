"""Machines that work, and what waits for them."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import func, or_, select

from app.engine.records import from_json
from app.engine.runtimes.base import Capabilities
from app.jobs.queue import OPEN_STATES
from app.services.context import Workbench
from app.services.runs import run_views
from app.services.views import QueueView, RunView, WorkerState, WorkerView
from app.storage.tables import Run, Worker, utc_now

ORDER = {"up": 0, "draining": 1, "gone": 2}


def list_workers(wb: Workbench) -> tuple[WorkerView, ...]:
    """Workers that are up first, then those gone, newest first; of each name only the newest start unless more are up."""
    newest = select(func.max(Worker.id)).group_by(Worker.name)
    candidates = select(Worker).where(or_(Worker.state != "gone", Worker.id.in_(newest))).order_by(Worker.id.desc())
    with wb.database.read() as session:
        rows = session.scalars(candidates).all()
        running = session.scalars(select(Run).where(Run.state == "running", Run.worker_id.is_not(None)).order_by(Run.id)).all()
        views = {view.id: view for view in run_views(wb, session, running)}
    at_work = {run.worker_id: views[run.id] for run in running}
    seen, shown = set[str](), list[Worker]()
    for row in sorted(rows, key=lambda row: ORDER[row.state]):
        if row.state == "up" or row.name not in seen:
            shown.append(row)
        seen.add(row.name)
    now = utc_now()
    return tuple(_worker_view(row, at_work.get(row.id), now) for row in shown)


def get_queue(wb: Workbench) -> QueueView:
    """What runs and what waits, of all users, in order."""
    with wb.database.read() as session:
        rows = session.scalars(select(Run).where(Run.state.in_(OPEN_STATES)).order_by(Run.id)).all()
        views = {view.id: view for view in run_views(wb, session, rows)}
    running = [view for view in views.values() if view.state == "running"]
    waiting = [view for view in views.values() if view.state == "queued"]
    if waiting:
        place = {run_id: index for index, run_id in enumerate(wb.queue.waiting())}
        waiting.sort(key=lambda view: (place.get(view.id, -1), view.id))
    return QueueView(len(running), len(waiting), (*running, *waiting))


def queue_length(wb: Workbench) -> tuple[int, int]:
    """(running, waiting) of all users: one cheap query, for the head of every page."""
    counted = select(Run.state, func.count()).where(Run.state.in_(OPEN_STATES)).group_by(Run.state)
    with wb.database.read() as session:
        counts = {row[0]: row[1] for row in session.execute(counted)}
    return counts.get("running", 0), counts.get("queued", 0)


def _worker_view(row: Worker, run: RunView | None, now: datetime) -> WorkerView:
    return WorkerView(
        id=row.id,
        name=row.name,
        state=cast("WorkerState", row.state),
        device=from_json(Capabilities, row.device),
        silent_seconds=max(0.0, (now - row.beat_at).total_seconds()),
        run=run if row.state != "gone" else None,
    )
