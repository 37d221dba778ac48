"""What a route gets from the application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.services.context import Workbench


def workbench(request: Request) -> Workbench:
    wb: Workbench = request.app.state.workbench
    return wb


Wb = Annotated[Workbench, Depends(workbench)]
