"""All routes of the API together, as an application of its own that is mounted below /api."""

from __future__ import annotations

from fastapi import FastAPI

from app import __version__
from app.api.errors import add_error_handlers
from app.api.routes import datasets, models, preflights, projects, runs, uploads, variants, workers
from app.services.context import Workbench

MODULES = (models, datasets, uploads, preflights, projects, runs, variants, workers)
DESCRIPTION = """\
The same services as the pages, for scripts. Errors have one shape, `{"error": {"code", "message", "where", "hint"}}`;
codes are stable. Files are uploaded with the tus protocol at `/uploads` (creation with `Upload-Metadata: filename …,kind …`).
What takes time answers 202 with a run: follow it at `/api/v1/runs/{id}/events`, or look at `/api/v1/runs/{id}`.
"""


def create_api(wb: Workbench) -> FastAPI:
    """Mount it at `/api`; the schema is then at /api/v1/openapi.json. No pages of FastAPI's own: they load from elsewhere."""
    api = FastAPI(
        title="INT8 Workbench",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    api.state.workbench = wb
    for module in MODULES:
        api.include_router(module.router, prefix="/v1")
    add_error_handlers(api)
    return api
