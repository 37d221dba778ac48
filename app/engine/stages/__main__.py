"""Entry point of the disposable child: `python -m app.engine.stages STAGE FOLDER EVENTS_FD PARENT_PID [PACKAGE]`.

Reads FOLDER/spec.json; writes FOLDER/result.json, or FOLDER/error.json (a WorkbenchError) and exits with 3.
Progress goes as JSON lines to EVENTS_FD; stdout and stderr stay free for the noise of native libraries.
PACKAGE, where the stage modules lie, is named only by tests that need a stage which crashes or hangs.
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
from typing import Any

EXIT_REFUSED = 3
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
EVENT_INTERVAL_S = 0.25
SESSION_NICENESS = 10
"""A tenth of a core where everything is busy: 19 would be a hundredth, and a job must get on at all times."""
OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "Unable to allocate")
"""How onnxruntime and numpy say that the limit on memory was reached."""


def bind_to_parent(parent_pid: int) -> None:
    """Die with the worker: children survived a worker's kill -9 without this (platform.md §B)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def yield_the_cores() -> None:
    """Let everybody else go first: nice 19, and the same for the session.

    Where Linux groups processes by session (autogroup, its default outside control groups), niceness counts inside a session
    only, and this process leads its own: beside it the web process would get half a core at most.
    """
    os.nice(19)
    session = Path("/proc/self/autogroup")
    for _ in range(10 if session.exists() else 0):
        try:
            session.write_text(str(SESSION_NICENESS), encoding="ascii")
        except BlockingIOError:  # the kernel takes one change in 0.1 s from unprivileged users
            time.sleep(0.05)
        except OSError:  # a sandbox that forbids it: nice has to do
            return
        else:
            return


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    yield_the_cores()
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # if memory runs out, this process is the first to go
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    if cpu_seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))


def _peak_memory_mb() -> float:
    """VmHWM; `ru_maxrss` would start at what the parent used when it forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


def main(arguments: list[str]) -> int:
    stage, folder, events_fd, parent_pid = arguments[0], Path(arguments[1]), int(arguments[2]), int(arguments[3])
    package = arguments[4] if len(arguments) > 4 else "app.engine.stages"
    bind_to_parent(parent_pid)
    envelope = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    _limit(envelope["memory_bytes"], envelope["cpu_seconds"])
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before any import of onnxruntime

    def send(event: dict[str, Any]) -> None:
        os.write(events_fd, (json.dumps(event) + "\n").encode())

    try:
        return _run(f"{package}.{stage}", folder, envelope, send)
    except Exception as error:
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in OUT_OF_MEMORY):
            return _refuse_memory(folder, stage, envelope["memory_bytes"])
        raise
    finally:
        send({"peak_memory_mb": _peak_memory_mb()})


def _run(module_name: str, folder: Path, envelope: dict[str, Any], send: Any) -> int:
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
        send({"done": progress.done, "total": progress.total, "message": progress.message})

    try:
        module = importlib.import_module(module_name)
        spec = from_json(module.Spec, envelope["spec"])
        result = module.run(spec, StageContext(folder, report, envelope["threads"]))
    except WorkbenchError as error:
        write_json(folder / "error.json", error.as_dict())
        return EXIT_REFUSED
    partial = folder / "result.json.part"
    write_json(partial, result)
    partial.rename(folder / "result.json")
    return 0


def _refuse_memory(folder: Path, stage: str, memory_bytes: int) -> int:
    """Written without imports that could need more memory."""
    limit = f": {memory_bytes / 2**30:.1f} GiB" if memory_bytes else ""
    refusal = {
        "code": "stage.memory",
        "message": f"This needed more memory than one stage may use{limit}.",
        "where": stage,
        "hint": "Use a smaller model or image, or raise WORKBENCH_STAGE_MEMORY_BYTES.",
    }
    (folder / "error.json").write_text(json.dumps(refusal), encoding="utf-8")
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
