"""What commands print: results on stdout, one JSON object with --json; errors and progress on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from app.errors import WorkbenchError

EXIT_NO, EXIT_REFUSED, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 130, 143


def print_json(value: Any) -> None:
    """The only thing on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_error(error: WorkbenchError) -> None:
    """`error: … (where) hint [code]`"""
    print(f"error: {error} [{error.code}]", file=sys.stderr)


def print_note(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)
