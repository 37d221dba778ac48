"""plotly.js as the installed plotly wheel carries it, so that it is always in step with the figures."""

from __future__ import annotations

import gzip
import importlib.util
import re
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def plotly_path() -> Path:
    """Found without importing plotly, which takes a second."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise RuntimeError("The plotly package is not installed; run `make install`.")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


@lru_cache(maxsize=1)
def plotly_gzipped() -> bytes:
    """4.8 MB as 1.5 MB, compressed once per process."""
    return gzip.compress(plotly_path().read_bytes(), compresslevel=6, mtime=0)


@lru_cache(maxsize=1)
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the elements whose presence tells the bundle that its map library's style sheet is there already."""
    return tuple(re.findall(r'document\.getElementById\("([0-9a-f]{64})"\)', plotly_path().read_text(encoding="utf-8")))
