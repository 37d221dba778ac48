"""All pages together."""

from __future__ import annotations

from fastapi import FastAPI

from app.web.routes import datasets, gallery, home, models, static, uploads

MODULES = (static, home, models, datasets, uploads, gallery)


def add_pages(app: FastAPI) -> None:
    for module in MODULES:
        app.include_router(module.router)
    app.mount("/static", static.static_files(), name="static")
