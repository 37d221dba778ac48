"""Downloads: a file from disk, deleted afterwards when it was made for this request."""

from __future__ import annotations

from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from app.services.views import Download


def send_file(download: Download) -> FileResponse:
    clean_up = BackgroundTask(download.path.unlink, missing_ok=True) if download.temporary else None
    return FileResponse(
        download.path,
        media_type=download.media_type,
        filename=download.filename,
        background=clean_up,
        headers={"Cache-Control": "no-store"},
    )
