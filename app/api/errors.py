"""One shape for everything that goes wrong: `{"error": {"code", "message", "where", "hint"}}` with the error's status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.errors import WorkbenchError

log = structlog.get_logger("api")


@dataclass(frozen=True)
class ErrorBody:
    code: str
    """Stable: scripts may rely on it."""
    message: str
    where: str
    hint: str


@dataclass(frozen=True)
class ErrorAnswer:
    error: ErrorBody


def error_response(error: WorkbenchError) -> JSONResponse:
    return JSONResponse({"error": error.as_dict()}, error.status)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(WorkbenchError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WorkbenchError)
    return error_response(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """The first thing wrong with a request; the field as `where`."""
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return error_response(WorkbenchError("request.invalid", f"{first['msg']}.", where=where, hint="See /api/docs."))


async def _http(_request: Request, error: Exception) -> JSONResponse:
    """Of the framework: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    code = {400: "request.invalid", 404: "route.not_found", 405: "route.method"}.get(error.status_code, "request.refused")
    message = {404: "There is no such route.", 405: "The route does not take this method."}.get(error.status_code, error.detail)
    refusal = WorkbenchError(code, message, hint="See /api/docs.")
    refusal.status = error.status_code
    response = error_response(refusal)
    response.headers.update(error.headers or {})
    return response


async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
    """Ours. The traceback is logged by the server under the request's id."""
    reference = str(getattr(request.state, "request_id", ""))
    hint = f"The log has the details under {reference}." if reference else "The log has the details."
    mistake = WorkbenchError("internal", "The server made a mistake.", hint=hint)
    mistake.status = 500
    return error_response(mistake)
