"""Where onnxruntime spends the time of a file: one entry per kernel of its optimized graph, by its own profiler.

A kernel's name tells what it computes: onnxruntime names a fused or rewritten kernel after the node or value it came from and
adds to it (`conv1_token_4`, `relu1_out_nchwc`, `mul/QuickGeluFusion/`); `owner_of` undoes that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnxruntime as ort

from app.engine.runtimes.base import Array
from app.engine.runtimes.onnxruntime import LOG_FATAL, ORT_ERRORS
from app.errors import WorkbenchError

WARM_UP_RUNS = 2
KERNEL_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class KernelTime:
    name: str
    op_type: str
    microseconds: float
    """Median over the runs, one thread."""
    elements: int
    """Of its first output."""


def profile_kernels(model: bytes, feeds: Mapping[str, Array], folder: Path, *, runs: int = 10) -> tuple[KernelTime, ...]:
    """Run the model `runs` times on one thread; kernels in the order they run.

    Args:
        folder: For onnxruntime's trace, which is removed again.

    Raises:
        WorkbenchError: `runtime.run_failed`.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "kernels")
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM_UP_RUNS + runs):
            session.run(None, dict(feeds))
        trace = Path(session.end_profiling())
    except ORT_ERRORS as error:
        raise WorkbenchError(
            "runtime.run_failed",
            "onnxruntime could not profile this model.",
            hint="Check that the input's size, layout and type are what the model expects.",
        ) from error
    events = json.loads(trace.read_text(encoding="utf-8"))
    trace.unlink()
    return _kernels(events)


def _kernels(events: list[dict[str, object]]) -> tuple[KernelTime, ...]:
    durations: dict[str, list[float]] = {}
    facts: dict[str, tuple[str, int]] = {}
    for event in events:
        name, arguments, duration = event["name"], event.get("args"), event.get("dur")
        if event.get("cat") != "Node" or not isinstance(name, str) or not name.endswith(KERNEL_SUFFIX):
            continue
        assert isinstance(arguments, dict)
        assert isinstance(duration, int | float)
        name = name.removesuffix(KERNEL_SUFFIX)
        durations.setdefault(name, []).append(float(duration))
        facts[name] = str(arguments.get("op_name", "")), _elements(arguments.get("output_type_shape"))
    return tuple(KernelTime(name, *_split(facts[name], times)) for name, times in durations.items())


def _split(fact: tuple[str, int], times: list[float]) -> tuple[str, float, int]:
    timed = times[WARM_UP_RUNS:] or times
    return fact[0], median(timed), fact[1]


def _elements(shapes: object) -> int:
    """`[{"uint8": [1, 3, 4, 4]}]` -> 48; 0 when the trace does not say."""
    if not isinstance(shapes, list) or not shapes:
        return 0
    product = 1
    for size in next(iter(shapes[0].values()), [0]):
        product *= int(size)
    return product


def owner_of(kernel: str, names: Collection[str]) -> str | None:
    """The longest of `names` that the kernel's name begins with, up to an underscore, a slash or its end; else None."""
    for end in range(len(kernel), 0, -1):
        if (end == len(kernel) or kernel[end] in "_/" or kernel[end - 1] in "_/") and kernel[:end] in names:
            return kernel[:end]
    return None
