"""Where templates, static files, migrations and the example lie: in the checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_INSTALLED = Path(__file__).parent / "_assets"
ASSETS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parent.parent

TEMPLATES = ASSETS / "templates"
STATIC = ASSETS / "static"
MIGRATIONS = ASSETS / "migrations"
EXAMPLE = ASSETS / "examples" / "fashion"
