"""What surrounds every request, as plain ASGI. From the outside in:

request id, access line → unexpected errors → security headers → allowed hosts → origin of unsafe requests → body size → gzip.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

log = structlog.get_logger("web")

CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",  # data: is how Tabler draws the arrow of a select; blob: a picture a page made itself
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in CONTENT_SECURITY_POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 1 << 20
"""Forms and JSON are small; files come through tus, which checks its own size."""
SMALLEST_GZIP_BYTES = 1000
GZIP_LEVEL = 5
NEVER_GZIPPED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream", "application/offset+octet-stream")
"""Models hardly shrink, and compressing them would cost a core for seconds."""

OnError = Callable[[Request, Exception], Awaitable[Response]]


def add_middleware(app: FastAPI, settings: Settings, on_error: OnError) -> None:
    """The last one added is the outermost."""
    hosts = [*settings.allowed_hosts, settings.host]
    app.add_middleware(
        GZipMiddleware,
        minimum_size=SMALLEST_GZIP_BYTES,
        compresslevel=GZIP_LEVEL,
        exclude_content_types=NEVER_GZIPPED,
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(SameOrigin)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(UnexpectedErrors, on_error=on_error)
    app.add_middleware(AccessLog)


class AccessLog:
    """Gives each request an id (`scope["state"]["request_id"]`, header X-Request-Id) and writes one line when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                level = log.info if scope["method"] not in SAFE_METHODS or status >= 400 else log.debug
                level(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round(1000 * (time.perf_counter() - started), 1),
                )


class UnexpectedErrors:
    """Turns our own mistakes into the error page, inside the security headers (Starlette's own handler stands outside)."""

    def __init__(self, app: ASGIApp, on_error: OnError) -> None:
        self.app = app
        self.on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            log.exception("unexpected_error", path=scope["path"], method=scope["method"])
            if begun:
                raise  # half a page is out: the server cuts the connection
            response = await self.on_error(Request(scope), error)
            await SecurityHeaders(response)(scope, receive, send)


class SecurityHeaders:
    """On every answer, errors and static files too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameOrigin:
    """Refuses unsafe requests that a browser says come from another site. Scripts send neither header and pass.

    Sec-Fetch-Site is set by every current browser and cannot be forged by a page; Origin covers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not comes_from_here(scope):
            response = PlainTextResponse("This request came from another site and was refused.", 403)
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def comes_from_here(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


class BodyLimit:
    """Limits request bodies, but not the pieces of an upload: these are streamed to disk and counted there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.limited = RequestBodyLimitMiddleware(app, MAX_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_piece = scope["type"] == "http" and scope["method"] == "PATCH" and scope["path"].startswith("/uploads/")
        await (self.app if is_piece else self.limited)(scope, receive, send)


def new_request_id() -> str:
    """Short enough to read out on the telephone: K7QM-2F9C, without letters that look like digits."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    letters = "".join(secrets.choice(alphabet) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"
