"""Composition root: settings -> one FastAPI application with pages, API, uploads and static files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api.site import create_api
from app.errors import WorkbenchError
from app.services.context import Workbench, open_workbench
from app.settings import Settings
from app.storage.migration import migrate
from app.web.errors import show_error, show_http_error, show_unexpected_error
from app.web.middleware import add_middleware
from app.web.site import add_pages


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on a data folder that is created or upgraded first. Also uvicorn's factory: then settings come from
    the environment.
    """
    settings = settings or Settings()
    migrate(settings)
    return build_app(open_workbench(settings))


def build_app(wb: Workbench) -> FastAPI:
    """The application over services that are open already; it closes them when it stops."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        wb.close()

    app = FastAPI(title="INT8 Workbench", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.workbench = wb
    add_pages(app)
    api = create_api(wb)
    app.state.api_schema = api.openapi
    app.mount("/api", api, name="api")
    app.add_exception_handler(WorkbenchError, show_error)
    app.add_exception_handler(HTTPException, show_http_error)
    app.add_exception_handler(RequestValidationError, show_http_error)
    add_middleware(app, wb.settings, show_unexpected_error)
    return app
