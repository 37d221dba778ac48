"""Run one stage in a disposable child process: what it does wrong harms nobody, and it can always be stopped.

The child leads its own session and dies with the thread that started it (PDEATHSIG), so this function starts it and waits
for it in the same thread. Its environment is built from a list of what it needs; it works in its own folder.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import structlog

import app
from app.engine.stages.__main__ import EXIT_REFUSED, OUT_OF_MEMORY
from app.engine.stages.context import Progress
from app.errors import WorkbenchError

STAGES = "app.engine.stages"
TICK_S = 0.1
"""How often cancelling and the clock are looked at."""
GRACE_S = 0.5
"""Between SIGTERM and SIGKILL."""
MAX_RESULT_BYTES = 64 * 2**20
MAX_LINE_BYTES = 64 * 2**10
KEPT_LOG_BYTES = 8 * 2**10
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

log = structlog.get_logger()


@dataclass(frozen=True)
class Limits:
    """0: no limit."""

    memory_bytes: int = 0
    cpu_seconds: int = 0
    wall_seconds: float = 0
    threads: int = 1


@dataclass(frozen=True)
class ChildResult:
    result: dict[str, Any]
    seconds: float
    peak_memory_mb: float


def run_child(
    stage: str,
    spec: Mapping[str, Any],
    folder: Path,
    *,
    limits: Limits,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    package: str = STAGES,
) -> ChildResult:
    """Run `package.stage` with `spec` (JSON) in the empty `folder` and wait for it.

    Args:
        should_stop: Asked ten times a second; when it says yes the child is killed.
        package: Where the stage lies; only tests name another one.

    Raises:
        WorkbenchError: what the stage refused, with its own code; `stage.crashed` (a signal, never worth a retry),
            `stage.killed` (from outside: may be worth one), `stage.memory`, `stage.timeout`, `stage.failed` (a mistake of
            ours); `run.cancelled`.
    """
    envelope = {
        "spec": spec,
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": limits.cpu_seconds,
        "threads": limits.threads,
    }
    (folder / "spec.json").write_text(json.dumps(envelope), encoding="utf-8")
    started = time.monotonic()
    deadline = started + limits.wall_seconds if limits.wall_seconds else float("inf")
    child = _Child(stage, folder, package, limits.threads, on_progress)
    try:
        while not child.has_ended(TICK_S):
            if should_stop():
                raise WorkbenchError("run.cancelled", "The run was cancelled.", where=stage)
            if time.monotonic() > deadline:
                raise _timeout(stage, limits.wall_seconds)
    finally:
        child.end()
    if child.returncode == 0:
        return ChildResult(_read_result(folder, stage), time.monotonic() - started, child.peak_memory_mb)
    raise _explain(child, stage, folder, limits)


@dataclass
class _Child:
    """The process with its two pipes: progress as JSON lines, and what native libraries print."""

    stage: str
    folder: Path
    package: str
    threads: int
    on_progress: Callable[[Progress], None]
    peak_memory_mb: float = 0.0
    output: bytes = b""
    """The end of stdout and stderr together."""
    returncode: int | None = None
    _line: bytes = b""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def __post_init__(self) -> None:
        events, events_of_child = os.pipe()
        arguments = [self.stage, str(self.folder), str(events_of_child), str(os.getpid()), self.package]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-X", "faulthandler", "-m", STAGES, *arguments],
                cwd=self.folder,
                env=_environment(self.folder, self.threads),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[events_of_child],
                start_new_session=True,
            )
        except BaseException:
            os.close(events)
            raise
        finally:
            os.close(events_of_child)
        assert self._process.stdout is not None
        self._selector.register(os.fdopen(events, "rb", buffering=0), selectors.EVENT_READ, self._take_events)
        self._selector.register(self._process.stdout, selectors.EVENT_READ, self._take_output)

    def has_ended(self, timeout_s: float) -> bool:
        """Take what the child sends for at most `timeout_s`; whether it is over."""
        if not self._selector.get_map():  # both pipes closed: it is about to exit
            time.sleep(0.005)
        for key, _ in self._selector.select(timeout_s if self._selector.get_map() else 0):
            self._take(key)
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> None:
        """Kill whatever is left of the group, take the rest of the output, reap the child."""
        pid = self._process.pid
        if not self.has_ended(0):
            os.killpg(pid, signal.SIGTERM)
            deadline = time.monotonic() + GRACE_S
            while not self.has_ended(0.02) and time.monotonic() < deadline:
                pass
        # Not reaped yet, so the group's number is still ours.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self.returncode = self._process.wait()
        while self._selector.get_map() and (ready := self._selector.select(0)):
            for key, _ in ready:
                self._take(key)
        for key in list(self._selector.get_map().values()):
            self._close(key)
        self._selector.close()

    def _take(self, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 1 << 16)
        if data:
            key.data(data)
        else:
            self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        file: IO[bytes] = key.fileobj  # type: ignore[assignment]
        file.close()

    def _take_output(self, data: bytes) -> None:
        self.output = (self.output + data)[-KEPT_LOG_BYTES:]

    def _take_events(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > MAX_LINE_BYTES:
            self._line = b""
        for line in lines:
            event = _parse_event(line)
            if isinstance(event, Progress):
                self.on_progress(event)
            elif event is not None:
                self.peak_memory_mb = event


def _parse_event(line: bytes) -> Progress | float | None:
    """A child that a hostile file has taken over may send anything: None for what is no event."""
    try:
        event = json.loads(line)
        if "peak_memory_mb" in event:
            return float(event["peak_memory_mb"])
        return Progress(int(event["done"]), int(event["total"]), str(event["message"]))
    except (ValueError, TypeError, KeyError):
        return None


def _environment(folder: Path, threads: int) -> dict[str, str]:
    return {
        "OPENBLAS_NUM_THREADS": str(threads),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(Path(app.__file__).parents[1]),
    }


def _read_result(folder: Path, stage: str) -> dict[str, Any]:
    path = folder / "result.json"
    if path.stat().st_size > MAX_RESULT_BYTES:
        message = f"The result has {path.stat().st_size >> 20} MiB; up to {MAX_RESULT_BYTES >> 20} MiB are taken."
        raise WorkbenchError("stage.failed", message, where=stage, hint="Use a smaller file.")
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def _explain(child: _Child, stage: str, folder: Path, limits: Limits) -> WorkbenchError:
    """Why a child that did not end with 0 ended."""
    code = child.returncode or 0
    if code == EXIT_REFUSED:
        return WorkbenchError.from_dict(json.loads((folder / "error.json").read_text(encoding="utf-8")))
    printed = without_paths(child.output.decode(errors="replace"))
    log.warning("child ended", stage=stage, returncode=code, output=printed[-2000:])
    if code == -signal.SIGXCPU:
        return _timeout(stage, limits.cpu_seconds, "of CPU time ")
    if code in (-signal.SIGKILL, -signal.SIGTERM):
        return WorkbenchError(
            "stage.killed",
            f"This stage was ended from outside ({signal.Signals(-code).name}), most likely because memory ran out.",
            where=stage,
            hint="Use a smaller model or smaller images, or a machine with more memory.",
        )
    if any(sign in printed for sign in OUT_OF_MEMORY):
        return WorkbenchError(
            "stage.memory", "This needed more memory than there was.", where=stage, hint="Use a smaller file."
        )
    if code < 0:
        name = signal.Signals(-code).name
        message = f"The runtime crashed ({name}) on this file. Nothing else was harmed."
        return WorkbenchError("stage.crashed", message, where=stage, hint="Check the file with the tool that wrote it.")
    reason = printed.strip().splitlines()[-1] if printed.strip() else f"exit code {code}"
    return WorkbenchError(
        "stage.failed", f"This stage ended by a mistake of ours: {reason}", where=stage, hint="Please report it."
    )


def _timeout(stage: str, seconds: float, kind: str = "") -> WorkbenchError:
    message = f"This took longer than the {seconds:g} s {kind}it may take."
    return WorkbenchError("stage.timeout", message, where=stage, hint="Use a smaller file, or raise the limit.")


def without_paths(text: str) -> str:
    """The same text with `…/name` for absolute paths: where a server keeps its files is nobody's business."""
    return re.sub(r"(?:/[^\s/:'\"<>]+)+/(?=[^\s/])", "…/", text)
