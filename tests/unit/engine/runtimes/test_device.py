"""The device as read from files: machines we do not have are folders here."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from app.engine.runtimes.device import fingerprint, read_device


def machine(root: Path, **files: str) -> Path:
    """A root folder; keys are paths with `__` for `/`."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_cpu_and_instruction_sets_come_from_cpuinfo(tmp_path: Path) -> None:
    first = "processor\t: 0\nmodel name\t: Intel(R)  Xeon(R)\nflags\t\t: fpu avx2 avx512_vnni amx_int8\n"
    cpuinfo = f"{first}\nprocessor\t: 1\nflags : fpu\n"
    device = read_device(machine(tmp_path, proc__cpuinfo=cpuinfo))
    assert device.cpu == "Intel(R) Xeon(R)"
    assert device.instruction_sets == ("avx2", "avx512_vnni", "amx_int8")


def test_fingerprint_tells_devices_apart_by_what_decides_speed(tmp_path: Path) -> None:
    def of(name: str, cpuinfo: str) -> str:
        return fingerprint(root=machine(tmp_path / name, proc__cpuinfo=cpuinfo))

    plain = "model name : AMD EPYC\ncpu family : 25\nmodel : 17\nflags : avx2 avx512_vnni\n"
    assert of("a", plain) == of("b", plain + "\nmodel name : another core\n")
    others = [plain.replace("17", "1"), plain.replace("avx512_vnni", ""), plain.replace("EPYC", "Ryzen"), ""]
    assert len({of(str(number), text) for number, text in enumerate((plain, *others))}) == 5
    assert of("c", plain).startswith("AMD EPYC, cpu family 25, model 17, avx2, avx512_vnni, ")
    assert f"onnxruntime {version('onnxruntime')}" in of("d", "")


def test_machine_without_proc_still_has_a_device(tmp_path: Path) -> None:
    device = read_device(tmp_path)
    assert device.cpu
    assert device.instruction_sets == ()
    assert device.cores == len(os.sched_getaffinity(0))
    assert device.memory_bytes > 0


@pytest.mark.parametrize(
    "files",
    [
        {"sys__fs__cgroup__cpuDOTmax": "50000 100000\n"},
        {"proc__self__cgroup": "0::/box\n", "sys__fs__cgroup__box__cpuDOTmax": "90000 100000\n"},
        {
            "proc__self__cgroup": "3:cpu,cpuacct:/box\n0::/\n",
            "sys__fs__cgroup__cpu__box__cpuDOTcfs_quota_us": "100000\n",
            "sys__fs__cgroup__cpu__box__cpuDOTcfs_period_us": "100000\n",
        },
    ],
)
def test_quota_of_the_control_group_bounds_the_cores(tmp_path: Path, files: dict[str, str]) -> None:
    assert read_device(machine(tmp_path, **files)).cores == 1


@pytest.mark.parametrize("limit", ["max 100000", "-1 100000"])
def test_no_quota_leaves_the_affinity(tmp_path: Path, limit: str) -> None:
    device = read_device(machine(tmp_path, sys__fs__cgroup__cpuDOTmax=limit))
    assert device.cores == len(os.sched_getaffinity(0))


def test_memory_limit_of_the_control_group_bounds_the_memory(tmp_path: Path) -> None:
    unlimited = machine(tmp_path / "a", sys__fs__cgroup__memoryDOTmax="max\n")
    limited = machine(tmp_path / "b", sys__fs__cgroup__memory__memoryDOTlimit_in_bytes="268435456\n")
    assert read_device(limited).memory_bytes == 268435456
    assert read_device(unlimited).memory_bytes > 268435456
