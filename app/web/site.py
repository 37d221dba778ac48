"""All pages together."""

from __future__ import annotations

from fastapi import FastAPI

from app.web.routes import (
    api_docs,
    compare,
    datasets,
    gallery,
    home,
    models,
    preflight,
    projects,
    runs,
    static,
    uploads,
    variants,
    workers,
)

MODULES = (static, home, models, datasets, uploads, preflight, projects, runs, variants, compare, workers, gallery, api_docs)


def add_pages(app: FastAPI) -> None:
    for module in MODULES:
        app.include_router(module.router)
    app.mount("/static", static.static_files(), name="static")
