"""A page that asks before something is lost; it works without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Confirmation:
    section: str
    title: str
    text: str
    blocked: str
    """Why it cannot be done now; empty when it can."""
    verb: str
    action: str
    back: str
