"""Errors as pages, as a part of a page, or (uploads) as the same four fields in JSON."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.errors import NotFoundError, WorkbenchError
from app.web.templating import render, wants_fragment

TITLES = {
    404: "There is nothing here.",
    409: "Not now.",
    413: "That is too large.",
    503: "Not right now.",
    507: "The disk is full.",
}


@dataclass(frozen=True)
class ErrorPage:
    status: int
    title: str
    error: WorkbenchError
    request_id: str
    url: str


async def show_error(request: Request, error: Exception) -> Response:
    """Of a WorkbenchError: what is wrong, where, what to do."""
    if not isinstance(error, WorkbenchError):
        raise error
    if request.url.path.startswith("/uploads"):
        return JSONResponse(error.as_dict(), error.status, headers=tus_headers(request))
    title = TITLES.get(error.status, "That did not work.")
    page = ErrorPage(error.status, title, error, request_id(request), request.url.path)
    template = "fragments/error.html" if wants_fragment(request) else "pages/error.html"
    return render(request, template, page, status=error.status)


async def show_http_error(request: Request, error: Exception) -> Response:
    """Of the framework: no such page, wrong method, unreadable form."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return await show_error(request, WorkbenchError("request.invalid", f"{first['msg']}.", where=where))
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        message = "No page has this address."
        return await show_error(request, NotFoundError("page.not_found", message, where=request.url.path))
    refused = WorkbenchError("request.refused", f"{error.detail}.", where=request.url.path)
    refused.status = error.status_code
    response = await show_error(request, refused)
    response.headers.update(error.headers or {})
    return response


async def show_unexpected_error(request: Request, _error: Exception) -> Response:
    """Ours. The log has the traceback under the id that the page names."""
    message = "The server made a mistake."
    error = WorkbenchError("internal", message, hint=f"The log has the details under {request_id(request)}.")
    error.status = 500
    if request.url.path.startswith("/uploads"):
        return JSONResponse(error.as_dict(), 500, headers=tus_headers(request))
    page = ErrorPage(500, "This page broke. Your work did not.", error, request_id(request), request.url.path)
    template = "fragments/error.html" if wants_fragment(request) else "pages/broken.html"
    return render(request, template, page, status=500)


def request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


def tus_headers(request: Request) -> dict[str, str]:  # noqa: ARG001
    """The protocol wants its version on every answer."""
    return {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store"}
