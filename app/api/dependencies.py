"""What a route gets from the application."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from app.api.errors import ErrorAnswer
from app.services.context import Workbench


def workbench(request: Request) -> Workbench:
    wb: Workbench = request.app.state.workbench
    return wb


Wb = Annotated[Workbench, Depends(workbench)]
MAX_NUMBER = 2**31 - 1
Limit = Annotated[int | None, Query(ge=1, le=MAX_NUMBER, description="How many at most; all when it is not given.")]
Offset = Annotated[int, Query(ge=0, le=MAX_NUMBER, description="How many of the newest to leave out.")]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its documentation."""
    described = {
        404: "There is no such thing (any more)",
        409: "Its state does not allow this",
        422: "Something given is wrong",
    }
    said = {**described, 503: "Try again later"}
    return {status: {"model": ErrorAnswer, "description": said[status]} for status in statuses}
