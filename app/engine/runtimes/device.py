"""The hardware this process may use: read from /proc, the scheduler and the control group; no runtime involved."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

INSTRUCTION_SETS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""What decides which 8-bit and bfloat16 kernels exist, as /proc/cpuinfo spells it."""
REVISION = ("cpu family", "model", "stepping", "CPU implementer", "CPU part")
"""What tells processors apart that a virtual machine gives the same model name."""


@dataclass(frozen=True)
class Device:
    cpu: str
    cores: int
    instruction_sets: tuple[str, ...]
    memory_bytes: int
    system: str


def read_device(root: Path = Path("/")) -> Device:
    """The device as this process sees it. `root` is where /proc and /sys are looked for."""
    cpu, flags = _read_cpu(root / "proc" / "cpuinfo")
    return Device(
        cpu=cpu,
        cores=_usable_cores(root),
        instruction_sets=tuple(name for name in INSTRUCTION_SETS if name in flags),
        memory_bytes=_usable_memory(root),
        system=f"{_system_name()}, Python {platform.python_version()}",
    )


def fingerprint(runtime: str = "onnxruntime", root: Path = Path("/")) -> str:
    """What decides which of two files is faster: processor, instruction sets, cores, version of the runtime; one line.

    Measurements made under one fingerprint hold under the same one. `root` is where /proc and /sys are looked for.
    """
    device = read_device(root)
    facts = _read_facts(root / "proc" / "cpuinfo")
    revision = [f"{name} {facts[name]}" for name in REVISION if facts.get(name)]
    cores = f"{device.cores} core{'' if device.cores == 1 else 's'}"
    return ", ".join([device.cpu, *revision, *device.instruction_sets, cores, f"{runtime} {version(runtime)}"])


def _read_cpu(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """Model name and flags of the first processor; ARM's cpuinfo has no model name and calls flags Features."""
    facts = _read_facts(cpuinfo)
    cpu = facts.get("model name") or platform.processor() or platform.machine()
    return " ".join(cpu.split()), frozenset(facts.get("flags", facts.get("Features", "")).split())


def _read_facts(cpuinfo: Path) -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor; empty where there is no such file."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    return facts


def _usable_cores(root: Path) -> int:
    """Cores by affinity, fewer when the control group's quota allows fewer (a part of a core counts as one)."""
    allowed = len(os.sched_getaffinity(0))
    quota = _cpu_quota(root)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _cpu_quota(root: Path) -> float | None:
    """Cores' worth of time per period: cgroup 2 `cpu.max`, else cgroup 1 `cpu.cfs_*`; None without a limit."""
    for folder in _cgroup_folders(root, "cpu"):
        limit = _words(folder / "cpu.max") or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        if len(limit) == 2 and limit[0] not in ("max", "-1") and int(limit[1]) > 0:
            return int(limit[0]) / int(limit[1])
    return None


def _usable_memory(root: Path) -> int:
    """Physical memory, less when the control group allows less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _cgroup_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits += [int(word) for word in _words(folder / name) if word.isdecimal()]
    return min(limits)


def _cgroup_folders(root: Path, controller: str) -> list[Path]:
    """This process's own group first, then the mount point, which is what a container sees as its own group."""
    base = root / "sys" / "fs" / "cgroup"
    own: list[Path] = []
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            own.append(base / path.lstrip("/"))
        elif controller in controllers.split(","):
            own.append(base / controller / path.lstrip("/"))
    return [*own, base, base / controller]


def _words(path: Path) -> list[str]:
    """The words of a small file; empty when the system has no such file."""
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.release()}"
