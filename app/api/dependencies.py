"""What a route gets from the application."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from app.api.errors import ErrorAnswer
from app.services.context import Workbench


def workbench(request: Request) -> Workbench:
    wb: Workbench = request.app.state.workbench
    return wb


Wb = Annotated[Workbench, Depends(workbench)]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its documentation."""
    described = {
        404: "There is no such thing (any more)",
        409: "Its state does not allow this",
        422: "Something given is wrong",
    }
    said = {**described, 503: "Try again later"}
    return {status: {"model": ErrorAnswer, "description": said[status]} for status in statuses}
