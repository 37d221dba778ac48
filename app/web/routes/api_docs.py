"""The documentation of the JSON API."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.web.pages.api_docs import api_docs_page
from app.web.templating import render

router = APIRouter(include_in_schema=False)


@router.get("/api/docs")
def show_api_docs(request: Request) -> Response:
    return render(request, "pages/api_docs.html", api_docs_page(request.app.state.api_schema()))
