"""What htmx sends with a request for a part of a page."""

from __future__ import annotations

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
