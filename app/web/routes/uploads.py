"""Resumable uploads: tus 1.0 (https://tus.io/protocols/resumable-upload) with creation and termination.

| request | does |
| --- | --- |
| OPTIONS /uploads | says what is spoken here |
| POST /uploads | announces a file: Upload-Length, Upload-Metadata with filename and kind |
| HEAD /uploads/{id} | how much has come; a complete upload that was never finished is finished now |
| PATCH /uploads/{id} | the next bytes, at Upload-Offset; the last ones turn it into a model or dataset |
| DELETE /uploads/{id} | forgets it |
| GET /uploads/{id} | ours: the upload as JSON, with what it became |

The offset is the size of the part file, so no crash can make the two disagree. Bytes are acknowledged after their fsync.
Memory stays flat: a piece is written out before the next is read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from app.errors import UnavailableError, WorkbenchError
from app.services import uploads
from app.services.context import Workbench
from app.services.views import UploadView
from app.web.dependencies import Wb

TUS_VERSION = "1.0.0"
PIECE_BYTES = 4 << 20
STALL_SECONDS = 60.0
"""A sender that is silent this long is gone; its lock on the upload must not outlive it."""
OFFSET_TYPE = "application/offset+octet-stream"
NO_STORE = {"Cache-Control": "no-store"}


class ProtocolError(WorkbenchError):
    """Not tus as this server speaks it."""

    status = 400

    def __init__(self, code: str, message: str, *, hint: str = "", status: int = 400) -> None:
        super().__init__(code, message, hint=hint)
        self.status = status


def speak_tus(request: Request) -> None:
    """What must hold for every request but OPTIONS and GET.

    Raises:
        ProtocolError: 412 for another version; 400 for extensions that would get around the checks.
    """
    version = request.headers.get("Tus-Resumable")
    if version != TUS_VERSION:
        message = f"The header Tus-Resumable must be {TUS_VERSION}, but it is {version or 'missing'}."
        raise ProtocolError("upload.version", message, status=412)
    for header in ("X-HTTP-Method-Override", "Upload-Concat", "Upload-Defer-Length"):
        if header in request.headers:
            raise ProtocolError("upload.unsupported", f"The header {header} is not supported.")


router = APIRouter(prefix="/uploads", include_in_schema=False)
Speaks = Depends(speak_tus)


@router.options("")
@router.options("/{upload_id}")
def describe(wb: Wb) -> Response:
    largest = max(wb.settings.max_model_bytes, wb.settings.max_dataset_bytes)
    headers = {"Tus-Version": TUS_VERSION, "Tus-Extension": "creation,termination", "Tus-Max-Size": str(largest)}
    return tus_response(204, **headers)


@router.post("", dependencies=[Speaks])
def create(request: Request, wb: Wb) -> Response:
    metadata = read_metadata(request.headers.get("Upload-Metadata", ""))
    kind = metadata.get("kind", "")
    if kind not in ("model", "dataset"):
        raise ProtocolError("upload.kind", f'Upload-Metadata must name the kind "model" or "dataset", but names "{kind}".')
    size_bytes = read_number(request, "Upload-Length")
    upload = uploads.create_upload(wb, "model" if kind == "model" else "dataset", metadata.get("filename", ""), size_bytes)
    return tus_response(201, Location=f"/uploads/{upload.id}", **{"Upload-Offset": "0"})


@router.head("/{upload_id}", dependencies=[Speaks])
def position(upload_id: str, wb: Wb) -> Response:
    upload = finished_if_complete(wb, uploads.get_upload(wb, upload_id))
    return tus_response(200, **offset_headers(upload), **{"Upload-Length": str(upload.size_bytes)})


@router.patch("/{upload_id}", dependencies=[Speaks])
async def append(upload_id: str, request: Request, wb: Wb) -> Response:
    if request.headers.get("Content-Type") != OFFSET_TYPE:
        raise ProtocolError("upload.content_type", f"The Content-Type must be {OFFSET_TYPE}.", status=415)
    offset = read_number(request, "Upload-Offset")
    await receive(wb, upload_id, offset, request)
    upload = await run_in_threadpool(lambda: finished_if_complete(wb, uploads.get_upload(wb, upload_id)))
    return tus_response(204, **offset_headers(upload))


@router.delete("/{upload_id}", dependencies=[Speaks])
def abort(upload_id: str, wb: Wb) -> Response:
    uploads.abort_upload(wb, upload_id)
    return tus_response(204)


@router.get("/{upload_id}")
def show(upload_id: str, wb: Wb) -> Response:
    upload = finished_if_complete(wb, uploads.get_upload(wb, upload_id))
    return JSONResponse({**asdict(upload), "url": f"/uploads/{upload.id}", "result_url": result_url(upload)}, headers=NO_STORE)


async def receive(wb: Workbench, upload_id: str, offset: int, request: Request) -> None:
    """Write the body at `offset`. Whatever has come when the sender goes away is kept.

    Raises:
        ConflictError: `upload.offset`, `upload.busy`, `upload.complete`.
        TooLargeError: `upload.too_long`.
        InsufficientStorageError: `disk.full`.
        WorkbenchError: `upload.stalled`.
    """
    part = await run_in_threadpool(uploads.open_part, wb, upload_id, offset)
    try:
        async for piece in pieces(request):
            await run_in_threadpool(part.write, piece)
    except ClientDisconnect:
        pass  # the bytes so far are good; the sender asks with HEAD where to go on
    except UnavailableError as error:
        raise uploads.InsufficientStorageError(error.code, error.message, where=error.where, hint=error.hint) from error
    finally:
        await run_in_threadpool(part.close)


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of 4 MB; what came before the sender went away is given out before ClientDisconnect.

    Raises:
        WorkbenchError: `upload.stalled`, 408.
    """
    stream = request.stream().__aiter__()
    buffer = bytearray()
    try:
        while True:
            async with asyncio.timeout(STALL_SECONDS):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            buffer += chunk
            if len(buffer) >= PIECE_BYTES:
                yield bytes(buffer)
                buffer.clear()
    except TimeoutError:
        if buffer:
            yield bytes(buffer)
        message = f"No byte came for {STALL_SECONDS:.0f} s."
        raise ProtocolError(
            "upload.stalled", message, hint="Send the rest from the offset that HEAD gives.", status=408
        ) from None
    except ClientDisconnect:
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)


def finished_if_complete(wb: Workbench, upload: UploadView) -> UploadView:
    """Also heals an upload whose last piece was written just before a crash."""
    if upload.offset == upload.size_bytes and not upload.result_id:
        return uploads.finish_upload(wb, upload.id)
    return upload


def result_url(upload: UploadView) -> str:
    return f"/{upload.kind}s/{upload.result_id}" if upload.result_id else ""


def read_number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ProtocolError(
            "upload.header", f"The header {header} must be a number of bytes, but it is {text[:40] or 'missing'}."
        )
    return int(text)


def read_metadata(header: str) -> dict[str, str]:
    """`filename d29ybGQ=,kind bW9kZWw=` -> its decoded pairs."""
    pairs: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = item.partition(" ")
        try:
            pairs[key] = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ProtocolError("upload.metadata", f'Upload-Metadata "{key[:40]}" is not base64 of UTF-8.') from error
    return pairs


def offset_headers(upload: UploadView) -> dict[str, str]:
    result = {"Upload-Result": result_url(upload)} if upload.result_id else {}
    return {"Upload-Offset": str(upload.offset), **result}


def tus_response(status: int, **headers: Any) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": TUS_VERSION, **NO_STORE, **headers})
