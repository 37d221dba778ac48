"""How long do ten users wait for a page while a job takes both cores?

    .venv/bin/python -m benchmarks.web_load.measure [--users 10] [--seconds 60]

Writes the table into README.md beside this script. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.readme import describe_machine, table, write_measured
from benchmarks.web_load.scene import Scene
from benchmarks.web_load.users import Clicks, click
from tests.support.server import LiveServer

README = Path(__file__).with_name("README.md")
LIMIT_MS = 100.0
RUNS = 12
"""More than the worker gets done in the time."""
HEADS = ("page", "asked", "p50 ms", "p95 ms", "p99 ms", "longest ms")


@dataclass(frozen=True)
class CpuSeconds:
    web: float
    job: float
    users: float
    all: float


def read_cpu(server: LiveServer) -> CpuSeconds:
    """CPU time so far; children that are over are counted by their parents."""
    web = psutil.Process(server.pid)
    jobs = [_with_reaped(process) for process in web.children(recursive=True)]
    own, machine = psutil.Process().cpu_times(), psutil.cpu_times()
    busy = sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
    return CpuSeconds(_own(web.cpu_times()), sum(jobs), _own(own), busy)


def _own(times: Any) -> float:
    return times.user + times.system


def _with_reaped(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return _own(times) + times.children_user + times.children_system


@dataclass(frozen=True)
class Minute:
    name: str
    clicks: Clicks
    used: CpuSeconds
    seconds: float


def set_priority(server: LiveServer, nice: int) -> None:
    """Of the web process and of the users, which are this process; the worker and its children keep theirs."""
    for pid in (server.pid, os.getpid()):
        for thread in psutil.Process(pid).threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, nice)
        session = Path(f"/proc/{pid}/autogroup")  # where Linux shares the cores by session
        if session.exists():
            session.write_text(str(nice), encoding="ascii")


def measure(name: str, server: LiveServer, scene: Scene, users: int, seconds: float, first_seed: int) -> Minute:
    runs = scene.keep_busy(RUNS, first_seed)
    scene.wait_until_it_runs(runs[0])
    pages = scene.pages()
    before, started = read_cpu(server), time.perf_counter()
    clicks = asyncio.run(click(server.url, pages, users, seconds))
    took, after = time.perf_counter() - started, read_cpu(server)
    scene.cancel(runs)
    used = CpuSeconds(*(getattr(after, part) - getattr(before, part) for part in ("web", "job", "users", "all")))
    return Minute(name, clicks, used, took)


def report(minute: Minute) -> str:
    pages = minute.clicks.pages
    rows = [_row(kind, times) for kind, times in sorted(pages.items())]
    rows.append(_row("**all pages**", [ms for times in pages.values() for ms in times]))
    rows.extend(_row(f"*{kind}*", times) for kind, times in sorted(minute.clicks.parts.items()))
    return f"## {minute.name}\n\n{_verdict(minute)}\n\n{table(HEADS, rows)}"


def _row(kind: str, times: list[float]) -> tuple[object, ...]:
    return (kind, len(times), *(f"{ms:.0f}" for ms in (*np.percentile(times, (50, 95, 99)), max(times))))


def _verdict(minute: Minute) -> str:
    everything = [ms for times in minute.clicks.pages.values() for ms in times]
    p95, used = float(np.percentile(everything, 95)), minute.used
    others = used.all - used.web - used.job - used.users
    parts = {"web": used.web, "job": used.job, "users": used.users, "others": max(0.0, others)}
    cores = ", ".join(f"{name} {seconds / minute.seconds:.2f}" for name, seconds in parts.items())
    holds = "holds" if p95 < LIMIT_MS and not minute.clicks.errors else "does not hold"
    return f"p95 of a page {p95:.0f} ms, {len(minute.clicks.errors)} errors: the claim {holds}. Cores used: {cores}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--nice", type=int, default=0, help="of web process and users, where others keep the machine busy")
    arguments = parser.parse_args()
    how = f"{arguments.users} users, {arguments.seconds:.0f} s, web process and users at nice {arguments.nice}"
    machine = f"{describe_machine()}, SQLite {sqlite3.sqlite_version}, {how}."
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder) / "data", WORKBENCH_LOG_LEVEL="WARNING").start()
        try:
            set_priority(server, arguments.nice)
            scene = Scene(server)
            scene.prepare()
            minutes = [measure("The example alone", server, scene, arguments.users, arguments.seconds, 1)]
            print(report(minutes[-1]), *minutes[-1].clicks.errors[:5], sep="\n", flush=True)
            scene.fill()
            minutes.append(measure("With 200 projects", server, scene, arguments.users, arguments.seconds, 101))
            print(report(minutes[-1]), *minutes[-1].clicks.errors[:5], sep="\n", flush=True)
        finally:
            server.stop()
        print(server.text())
    write_measured(README, f"{machine}\n\n" + "\n\n".join(map(report, minutes)))


if __name__ == "__main__":
    main()
