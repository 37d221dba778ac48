"""Our own browser files, vendored ones, and plotly.js out of its wheel."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.assets import STATIC
from app.web.plotly_bundle import plotly_gzipped, plotly_path

FOR_EVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"

router = APIRouter()


@router.get("/static/plotly.min.js", include_in_schema=False)
def plotly(request: Request) -> Response:
    """Compressed once per process: doing it for every new browser would cost 0.2 s of a core."""
    headers = {"Cache-Control": cache_control(request.url.query), "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(plotly_gzipped(), media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(plotly_path().read_bytes(), media_type="text/javascript", headers=headers)


class CachedStaticFiles(StaticFiles):
    """A URL with a content hash never changes; one without is asked for again (and answered 304)."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = cache_control(scope["query_string"].decode("latin-1"))
        return response


def cache_control(query: str) -> str:
    return FOR_EVER if query.startswith("v=") else ASK_FIRST


def static_files() -> CachedStaticFiles:
    return CachedStaticFiles(directory=STATIC)
