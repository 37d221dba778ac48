"""The folder with real models, data and judges beside the checkout; tests that need it skip loudly without it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the shared assets in {SHARED}")
