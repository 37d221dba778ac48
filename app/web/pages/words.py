"""Short texts several pages share: verdicts as chips, devices, where a number comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.benchmark.verdict import SpeedState
from app.engine.numerics.intervals import Interval
from app.engine.runtimes.base import Capabilities
from app.services.views import RunView
from app.services.wording import half_width
from app.web.filters import fps, points_value

Tone = Literal["good", "bad", "warn", "none", "live", "live blue"]
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
INSTRUCTION_SETS = {
    "avx2": "AVX2",
    "avx_vnni": "AVX VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
}
TELLING = ("amx_int8", "avx512_vnni", "avx_vnni", "avx512f", "avx2")
"""The first of these that a CPU has says how fast 8-bit arithmetic is there."""
KINDS = {
    "inspect-model": "Model inspection",
    "inspect-dataset": "Dataset inspection",
    "preflight": "Preflight",
    "baseline": "Baseline",
    "optimize": "Optimization",
    "compare": "Comparison",
}


@dataclass(frozen=True)
class Chip:
    tone: Tone
    text: str
    icon: str = ""


def limit_chip(limit: LimitVerdict | None) -> Chip | None:
    """The words of mock/GUIDE.md §4; None for the reference."""
    if limit is None:
        return None
    if limit.state == "missed":
        return Chip("bad", f"Missed by {_at_least_a_tenth(limit.missed_by_points)}")
    return Chip("good", "Kept, certified") if limit.state == "certified" else Chip("warn", "Kept, not certain")


def speed_chip(speed: SpeedState | None) -> Chip | None:
    """Only what is not the hoped-for case: slower, the same, or nobody can tell."""
    chips = {
        "slower": Chip("bad", "Slower than FP32", "down"),
        "same": Chip("none", "As fast as FP32", "same"),
        "cannot-tell": Chip("none", "Speed: cannot tell"),
    }
    return None if speed is None else chips.get(speed)


def state_chip(run: RunView) -> Chip:
    if run.state == "queued":
        return Chip("none", "Waiting", "pause")
    if run.state == "running":
        return Chip("live" if run_method(run) == "int8-accuracy-aware" else "live blue", "Running")
    if run.state == "succeeded":
        return Chip("good", "Finished")
    return Chip("bad", "Failed", "alert") if run.state == "failed" else Chip("none", "Cancelled", "x")


def run_method(run: RunView) -> Literal["fp32", "int8-default", "int8-accuracy-aware"]:
    """The colour of a run's progress."""
    if run.settings is None:
        return "fp32"
    return "int8-default" if run.settings.method == "default" else "int8-accuracy-aware"


def instruction_set(device: Capabilities) -> str:
    return next((INSTRUCTION_SETS[name] for name in TELLING if name in device.instruction_sets), "no AVX2")


def device_words(device: Capabilities) -> str:
    """Intel Xeon, 4 threads, AVX-512 VNNI."""
    threads = f"{device.cores} thread{'' if device.cores == 1 else 's'}"
    return f"{device.cpu}, {threads}, {instruction_set(device)}"


def runtime_words(device: Capabilities) -> str:
    """ONNX Runtime 1.32.0."""
    return f"{RUNTIMES.get(device.runtime, device.runtime)} {device.version}"


def kernel_words(device: Capabilities) -> str:
    """What the CPU means for INT8."""
    if device.int8_kernels:
        return "INT8 has native dot products here."
    return "No VNNI: INT8 gains less here, and it is measured, not promised."


def fps_spread(interval: Interval) -> str:
    """The half-width with as many decimals as the value has: 573 ± 7."""
    shown = fps(interval.value)
    decimals = len(shown.partition(".")[2])
    return f"{half_width(interval):.{decimals}f}"


def points_text(value: float) -> str:
    """A limit as a field shows it: 1.0, 0.25."""
    return f"{value:.1f}" if round(value, 1) == value else f"{value:g}"


def _at_least_a_tenth(points: float) -> str:
    """A miss never reads as 0.0."""
    return points_value(points) if points >= 0.05 else "less than 0.1"
