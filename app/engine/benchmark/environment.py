"""What else decides a measurement: the device, how busy it was, how its clock is governed, what this process used."""

from __future__ import annotations

import os
from pathlib import Path

from app.engine.benchmark.results import Environment
from app.engine.runtimes.base import Runtime


def read_environment(runtime: Runtime, root: Path = Path("/")) -> Environment:
    """To be read before measuring: afterwards the load average is our own load. `root` is where /sys is looked for."""
    return Environment(device=runtime.capabilities(), load_average=os.getloadavg()[0], governor=_governors(root))


def _governors(root: Path) -> str:
    """The frequency governor of all cores, several separated by commas; "" in most virtual machines."""
    found = set()
    for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"):
        try:
            found.add(path.read_text(encoding="ascii").strip())
        except OSError:
            continue  # a core that is offline has the file, but no governor
    return ", ".join(sorted(found))


def read_peak_memory_mb() -> float:
    """The most resident memory this process had so far (VmHWM), MiB: interpreter, runtime, sessions and inputs together."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) / 1024
