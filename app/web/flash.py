"""One sentence that survives a redirect: "mobilenet-v2.onnx was removed." Kept in a cookie that only the next page sees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from fastapi import Request
from starlette.responses import Response

_COOKIE = "workbench_flash"
_SECONDS = 60
_LONGEST = 400


@dataclass(frozen=True)
class Flash:
    tone: Literal["good", "bad", "warn", "none"]
    text: str

    def add_to(self, response: Response) -> None:
        value = quote(json.dumps([self.tone, self.text[:_LONGEST]]))
        response.set_cookie(_COOKIE, value, max_age=_SECONDS, httponly=True, samesite="strict")

    @staticmethod
    def remove_from(response: Response) -> None:
        response.delete_cookie(_COOKIE, httponly=True, samesite="strict")


def take_flash(request: Request) -> Flash | None:
    """What the page before wanted said; None when there is nothing, or nothing of ours in the cookie."""
    try:
        tone, text = json.loads(unquote(request.cookies[_COOKIE]))
    except (KeyError, ValueError, TypeError):
        return None
    return Flash(tone, str(text)) if tone in ("good", "bad", "warn", "none") else None
