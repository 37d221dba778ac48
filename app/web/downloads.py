"""Answers that a browser saves: names of our making, safe in a header and on every disk."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from app.services.views import Download

LONGEST_NAME = 120


def attachment(content: str, filename: str, media_type: str) -> Response:
    """Text as a file."""
    return Response(content, media_type=media_type, headers=_headers(filename))


def send_file(download: Download) -> Response:
    """A file from disk; one that was made for this request goes afterwards."""
    clean_up = BackgroundTask(download.path.unlink, missing_ok=True) if download.temporary else None
    return FileResponse(download.path, media_type=download.media_type, headers=_headers(download.filename), background=clean_up)


def safe_filename(name: str) -> str:
    """Without separators, control characters and what shells and Windows give a meaning; never empty, never hidden."""
    cleaned = re.sub(r"[^\w.()+,=@ −×-]+", "-", name, flags=re.UNICODE).strip(" .-")
    if len(cleaned) > LONGEST_NAME:
        stem, dot, suffix = cleaned.rpartition(".")
        cleaned = f"{stem[: LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}"
    return cleaned or "download"


def _headers(filename: str) -> dict[str, str]:
    """RFC 6266: a plain name for old clients, the exact one in UTF-8. Not stored: the URL may give another file tomorrow."""
    name = safe_filename(filename)
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": disposition, "Cache-Control": "no-store"}
