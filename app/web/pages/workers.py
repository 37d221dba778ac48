"""Machines, queue, health."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from app.services.context import Workbench
from app.services.views import QueueView, RunView, WorkerView
from app.web.filters import duration, left, plural, size
from app.web.pages.words import KINDS, Chip, device_words, kernel_words, run_method, runtime_words

NEARLY_FULL = 0.85


@dataclass(frozen=True)
class WorkerCard:
    worker: WorkerView
    chip: Chip
    hardware: str
    memory: str
    runtime: str
    kernels: str
    run: RunView | None
    method: str
    progress: str


@dataclass(frozen=True)
class QueueRow:
    place: str
    run: RunView
    kind: str
    needs: str


@dataclass(frozen=True)
class HealthRow:
    name: str
    value: str
    chip: Chip


@dataclass(frozen=True)
class WorkersPage:
    sentence: str
    detail: str
    cards: tuple[WorkerCard, ...]
    queue: tuple[QueueRow, ...]
    health: tuple[HealthRow, ...]


def workers_page(wb: Workbench, workers: tuple[WorkerView, ...], queue: QueueView) -> WorkersPage:
    up = sum(worker.state == "up" for worker in workers)
    gone = [worker for worker in workers if worker.state == "gone"]
    return WorkersPage(
        sentence=_sentence(up, len(workers), queue),
        detail=_detail(up, gone, queue),
        cards=tuple(_card(worker) for worker in workers),
        queue=_rows(queue),
        health=health_rows(wb),
    )


def health_rows(wb: Workbench) -> tuple[HealthRow, ...]:
    database = "SQLite" if wb.settings.sqlalchemy_url.startswith("sqlite") else "PostgreSQL"
    disk = shutil.disk_usage(wb.settings.data if wb.settings.data.exists() else wb.settings.data.parent)
    used = 1 - disk.free / disk.total
    full = Chip("warn", f"{used:.0%} full".replace("%", " %"), "alert") if used > NEARLY_FULL else Chip("good", "fine")
    limits = f"{size(wb.settings.stage_memory_bytes)}, {duration(wb.settings.inspect_seconds)} for looking into an upload"
    telemetry_off = os.environ.get("ORT_DISABLE_TELEMETRY") == "1"
    return (
        HealthRow("Database", f"{database}; answered just now", Chip("good", "fine")),
        HealthRow("Storage", f"{size(disk.total - disk.free)} of {size(disk.total)} used on the disk of the data folder", full),
        HealthRow("Child processes", f"Uploads are opened only in a child: {limits}", Chip("good", "on")),
        HealthRow(
            "Telemetry of the runtimes",
            "Switched off in every process" if telemetry_off else "Set ORT_DISABLE_TELEMETRY=1 for the web process",
            Chip("good", "off") if telemetry_off else Chip("bad", "on", "alert"),
        ),
    )


def _sentence(up: int, known: int, queue: QueueView) -> str:
    if not known:
        return "No worker has started yet."
    workers = f"{up} of {plural(known, 'worker')} {'is' if up == 1 else 'are'} up"
    if not queue.running and not queue.waiting:
        return f"{workers}; nothing runs, nothing waits."
    return f"{workers}; {plural(queue.running, 'run')} in work, {queue.waiting or 'none'} waiting."


def _detail(up: int, gone: list[WorkerView], queue: QueueView) -> str:
    if not up and queue.waiting:
        return "Runs wait until a worker is up: start one with `workbench worker`."
    if not up:
        return "Start one with `workbench worker`; `workbench serve` starts one by itself."
    if gone:
        silent = min(gone, key=lambda worker: worker.silent_seconds)
        return f"{silent.name} has been silent for {duration(silent.silent_seconds)}; what it did goes on elsewhere."
    return ""


def _card(worker: WorkerView) -> WorkerCard:
    run = worker.run
    chip = {
        "up": Chip("good", "Up, working" if run else "Up, idle"),
        "draining": Chip("warn", "Stopping after its stage"),
        "gone": Chip("bad", f"No answer for {duration(worker.silent_seconds)}", "alert"),
    }[worker.state]
    return WorkerCard(
        worker=worker,
        chip=chip,
        hardware=device_words(worker.device),
        memory=f"{worker.device.memory_bytes / 2**30:.0f} GB",
        runtime=runtime_words(worker.device),
        kernels=kernel_words(worker.device),
        run=run,
        method=run_method(run) if run else "fp32",
        progress=", ".join(part for part in (f"{run.percent} %", left(run.seconds_left)) if part) if run else "",
    )


def _rows(queue: QueueView) -> tuple[QueueRow, ...]:
    waiting = 0
    rows = []
    for run in queue.runs:
        waiting += run.state == "queued"
        rows.append(
            QueueRow(str(waiting) if run.state == "queued" else "now", run, KINDS[run.kind], run.worker or "any worker")
        )
    return tuple(rows)
