"""Shared by all tests: the environment that every entry point sets."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
