"""The independent judge (shared/bench/judge.py), imported by its path: our oracle for inputs, scores and ratios."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

from tests.support.shared import SHARED


@cache
def load_judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge", SHARED / "bench" / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
