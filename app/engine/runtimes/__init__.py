"""Runtimes by name. Modules are imported only when asked for: each loads a heavy library."""

from __future__ import annotations

from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError

RUNTIMES = ("onnxruntime",)


def get_runtime(name: str) -> Runtime:
    """The runtime called `name`.

    Raises:
        WorkbenchError: `runtime.unknown`.
    """
    if name == "onnxruntime":
        from app.engine.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime()
    known = ", ".join(RUNTIMES)
    raise WorkbenchError("runtime.unknown", f"There is no runtime “{name}”; there are: {known}.", where="runtime")
