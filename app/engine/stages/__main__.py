"""Entry point of the disposable child: `python -m app.engine.stages STAGE FOLDER EVENTS_FD PARENT_PID`.

Reads FOLDER/spec.json; writes FOLDER/result.json, or FOLDER/error.json (a WorkbenchError) and exits with 3.
Progress goes as JSON lines to EVENTS_FD; stdout and stderr stay free for the noise of native libraries.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

EXIT_REFUSED = 3
PR_SET_PDEATHSIG = 1
EVENT_INTERVAL_S = 0.25


def _bind_to_parent(parent_pid: int) -> None:
    """Die with the worker: children survived a worker's kill -9 without this (platform.md §B)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    if cpu_seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))


def main(arguments: list[str]) -> int:
    stage, folder, events_fd, parent_pid = arguments[0], Path(arguments[1]), int(arguments[2]), int(arguments[3])
    _bind_to_parent(parent_pid)
    envelope = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    _limit(envelope["memory_bytes"], envelope["cpu_seconds"])
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before any import of onnxruntime

    # Imported only now, inside the limits.
    from app.engine.records import from_json, write_json
    from app.engine.stages.context import Progress, StageContext
    from app.errors import WorkbenchError

    last_sent = 0.0

    def report(progress: Progress) -> None:
        nonlocal last_sent
        now = time.monotonic()
        if not progress.message and progress.done < progress.total and now - last_sent < EVENT_INTERVAL_S:
            return
        last_sent = now
        line = json.dumps({"done": progress.done, "total": progress.total, "message": progress.message}) + "\n"
        os.write(events_fd, line.encode())

    try:
        module = importlib.import_module(f"app.engine.stages.{stage}")
        spec = from_json(module.Spec, envelope["spec"])
        result = module.run(spec, StageContext(folder, report, envelope["threads"]))
    except WorkbenchError as error:
        write_json(folder / "error.json", error.as_dict())
        return EXIT_REFUSED
    except MemoryError:
        message = f"This needed more memory than one stage may use: {envelope['memory_bytes'] / 2**30:.1f} GiB."
        refusal = WorkbenchError("stage.memory", message, where=stage, hint="Use a smaller model or image, or raise the limit.")
        write_json(folder / "error.json", refusal.as_dict())
        return EXIT_REFUSED
    partial = folder / "result.json.part"
    write_json(partial, result)
    partial.rename(folder / "result.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
