"""One stage, many ways to end; each is one that a hostile file can cause in a native library."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from app.engine.stages.context import Progress, StageContext
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Spec:
    how: str
    amount: int = 0


@dataclass(frozen=True)
class Result:
    environment: dict[str, str]
    niceness: int
    autogroup: str
    """`/autogroup-1845 nice 10`; empty where the kernel has none."""
    session: bool
    threads: int
    text_file: str = "text.txt"
    part_files: tuple[str, ...] = ("a.txt", "b.txt")


def run(spec: Spec, context: StageContext) -> Result:
    context.report(Progress(0, 2, "beginning"))
    WAYS[spec.how](spec, context)
    for name in ("text.txt", "a.txt", "b.txt"):
        (context.folder / name).write_text(name, encoding="utf-8")
    context.report(Progress(2, 2))
    group = Path("/proc/self/autogroup")
    autogroup = group.read_text(encoding="ascii") if group.exists() else ""
    return Result(dict(os.environ), os.nice(0), autogroup, os.getsid(0) == os.getpid(), context.threads)


def succeed(spec: Spec, _context: StageContext) -> None:
    bytearray(spec.amount)


def refuse(_spec: Spec, _context: StageContext) -> None:
    raise WorkbenchError("model.empty", "The file has 0 bytes.", where="x.onnx", hint="Export it again.")


def segfault(_spec: Spec, _context: StageContext) -> None:
    ctypes.string_at(0)


def abort(_spec: Spec, _context: StageContext) -> None:
    os.abort()


def divide(_spec: Spec, _context: StageContext) -> None:
    os.kill(os.getpid(), signal.SIGFPE)


def be_killed(_spec: Spec, _context: StageContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def eat_memory(_spec: Spec, _context: StageContext) -> None:
    kept = []
    while True:
        kept.append(bytearray(16 << 20))


def allocate_natively(_spec: Spec, _context: StageContext) -> None:
    raise RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc")


def spin(_spec: Spec, _context: StageContext) -> None:
    while True:
        pass


def hang(spec: Spec, context: StageContext) -> None:
    """Ignores SIGTERM, has a child of its own, and would sleep for an hour."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    (context.folder / "grandchild").write_text(str(grandchild.pid), encoding="ascii")
    context.report(Progress(1, 2, "hanging"))
    time.sleep(3600)


def leave_grandchild(spec: Spec, context: StageContext) -> None:
    """Ends well, but something of it goes on and keeps the pipes open."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], close_fds=False)
    (context.folder / "grandchild").write_text(str(grandchild.pid), encoding="ascii")


def make_a_mistake(_spec: Spec, context: StageContext) -> None:
    raise ValueError(f"cannot read {context.folder}/model.onnx")


def babble(spec: Spec, _context: StageContext) -> None:
    """Floods both pipes with what is no event and no text, and keeps no promise about lines."""
    events_fd = int(sys.argv[3])
    for _ in range(50):
        os.write(events_fd, b'{"done": "x"}\n[1, 2\n\xff\xfe\n"done"\n')
        os.write(events_fd, b"y" * 40_000)
        os.write(1, b"\x00\xff" * 20_000)
    os.write(events_fd, b"\n")


def write_outside(_spec: Spec, _context: StageContext) -> None:
    Path("here.txt").write_text("the working directory", encoding="utf-8")


WAYS = {
    function.__name__: function
    for function in (
        succeed, refuse, segfault, abort, divide, be_killed, eat_memory, allocate_natively, spin, hang, leave_grandchild,
        make_a_mistake, babble, write_outside,
    )
}  # fmt: skip
