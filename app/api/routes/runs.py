"""Runs: look, follow, cancel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse

from app.api.dependencies import Limit, Offset, Wb, refusals
from app.errors import NotFoundError
from app.services import runs
from app.services.context import Workbench
from app.services.views import EventView, RunView

router = APIRouter(prefix="/runs", tags=["Runs"])
POLL_SECONDS = 0.5
PING_SECONDS = 15
MAX_ID_DIGITS = 15
EventId = Annotated[int, Query(ge=0, lt=10**MAX_ID_DIGITS)]


@router.get("", responses=refusals(404))
def list_runs(wb: Wb, project_id: str | None = None, limit: Limit = None, offset: Offset = 0) -> tuple[RunView, ...]:
    """Newest first, without logs; of one project, or all."""
    return runs.list_runs(wb, project_id, limit=limit, offset=offset)


@router.get("/{run_id}", responses=refusals(404))
def get_run(wb: Wb, run_id: str) -> RunView:
    """With stages, percent, time left, trials and log."""
    return runs.get_run(wb, run_id)


@router.post("/{run_id}/cancel", responses=refusals(404))
def cancel_run(wb: Wb, run_id: str) -> RunView:
    """Stop it; what is over stays as it is."""
    return runs.cancel_run(wb, run_id)


@router.get("/{run_id}/events", response_class=EventSourceResponse, responses=refusals(404))
def follow_run(request: Request, wb: Wb, run_id: str, after: EventId = 0) -> EventSourceResponse:
    """Server-sent events, each `planned`, `started`, `progress`, `log`, `finished` or `failed` with stage, count and message as
    JSON; at the end `over` with the run's state. `Last-Event-ID` (or `after`) goes on behind that event."""
    runs.position(wb, run_id)  # 404 before the stream begins
    seen = request.headers.get("Last-Event-ID", "")
    if seen.isascii() and seen.isdecimal() and len(seen) <= MAX_ID_DIGITS:
        after = int(seen)
    return EventSourceResponse(_events(wb, run_id, after), ping=PING_SECONDS)


async def _events(wb: Workbench, run_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    while True:
        try:
            # The state first: events that come after it was read are seen in the next round.
            _, state = await to_thread.run_sync(runs.position, wb, run_id)
            events = await to_thread.run_sync(runs.events_after, wb, run_id, after)
        except NotFoundError:  # deleted with its project meanwhile
            return
        for event in events:
            after = event.event_id
            yield ServerSentEvent(data=_data(event), event=event.kind, id=str(event.event_id))
        if events:
            continue
        if state not in ("queued", "running"):
            yield ServerSentEvent(data=json.dumps({"state": state}), event="over", id=str(after))
            return
        await anyio.sleep(POLL_SECONDS)


def _data(event: EventView) -> str:
    fields = {"stage": event.stage, "done": event.done, "total": event.total, "message": event.message}
    return json.dumps({**fields, "at": event.at.isoformat()}, ensure_ascii=False)
